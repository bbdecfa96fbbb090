/** What the system says of a file that is not there for this user, and will not be: whatever else it says may be another thing the next time. */
const GONE = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "EISDIR", "ENXIO", "ENAMETOOLONG"]);

export function isGone(error: unknown): boolean {
  const { code = "" } = error as NodeJS.ErrnoException;
  // A path with a NUL.
  return GONE.has(code) || code === "ERR_INVALID_ARG_VALUE";
}
