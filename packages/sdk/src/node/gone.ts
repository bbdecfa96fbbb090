/** What the system says of a file that is not there for this user, and will not be: whatever else it says may be another thing the next time. */
const GONE = new Set([
  ...["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "EISDIR", "ENXIO", "ENAMETOOLONG"],
  // A path with a NUL.
  "ERR_INVALID_ARG_VALUE",
]);

export function isGone(error: unknown): boolean {
  return GONE.has((error as NodeJS.ErrnoException).code ?? "");
}
