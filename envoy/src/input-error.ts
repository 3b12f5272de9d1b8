/** Something that the compiler was given and cannot begin to read. */

/** Its message is for the user: what was given, what is wrong with it, what to do. A contract's own faults are `Problem`s instead. */
export class InputError extends Error {
  override readonly name = 'InputError';
}
