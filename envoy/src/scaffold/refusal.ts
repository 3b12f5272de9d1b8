/** Why a scaffold is not written. Its message says what to do instead. */
export class ScaffoldRefusal extends Error {
  override readonly name = 'ScaffoldRefusal';
}
