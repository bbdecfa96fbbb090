/** What may be in a variable, and in no argument: all on the machine see those. */
export const PASSWORD_IN_ARGUMENT = [
  "A password in an argument is seen by everybody on the machine",
  "leave it out of --store, and set PGPASSWORD, or PGPASSFILE to a file that has it",
] as const;

export function hasPassword(url: string): boolean {
  return nameOfStore(url) !== url;
}

/** A store's address as it may be shown: without the password that may stand in it. */
export function nameOfStore(url: string): string {
  return url.replace(/^(postgres(?:ql)?:\/\/[^:@/?#]*):[^@/?#]*@/, "$1@");
}
