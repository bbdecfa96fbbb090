export const LISTS = "aimessage-server --help lists every command and option";

/** The command line or the environment is wrong; one sentence says what, and the hint what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string;
  constructor(message: string, hint = LISTS) {
    super(message);
    this.hint = hint;
  }
}
