/** One file that the compiler writes. */
export interface OutputFile {
  /** Below the plugin's `out`, with slashes. */
  readonly name: string;
  readonly content: string;
}
