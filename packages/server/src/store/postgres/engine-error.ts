/** The engine is not to be trusted with mail, or of a version that does not fit. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}
