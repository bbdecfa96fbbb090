/** No account has a longer name. */
const LONGEST_NAME = 32;

/** Whether somebody could have that name: nobody has another, which is no text for the engine perhaps. */
export function isName(name: string): boolean {
  return name.length <= LONGEST_NAME && !name.includes("\0");
}
