/** A store's address as it may be shown: without the password that may stand in it. */
export function nameOfStore(url: string): string {
  return url.replace(/^(postgres(?:ql)?:\/\/[^:@/?#]*):[^@/?#]*@/, "$1@");
}
