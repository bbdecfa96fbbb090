/** `1 message`, `3 messages`. */
export function counted(count: number, what = "message"): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
