/** Something that must never be: the run ends with it. */
export class Violation extends Error {
  override readonly name = "Violation";
}
