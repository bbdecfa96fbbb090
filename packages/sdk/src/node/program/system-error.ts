/** An error as the system words it, of something that only this program has noticed. */
export function systemError(
  code: "EEXIST" | "EISDIR" | "EFTYPE" | "ELOOP" | "ENOSPC" | "ETIMEDOUT",
  words: string,
  more: { path?: string; syscall?: string } = {},
): NodeJS.ErrnoException {
  const where = more.path === undefined ? "" : `, ${more.path}`;
  return Object.assign(new Error(`${code}: ${words}${where}`), { code, ...more });
}
