// Not `toLowerCase` of the whole: there are letters beyond ASCII whose lower case is in it (the Kelvin sign).
const CAPITAL = /[A-Z]/g;

/** The form of a username that is hashed, signed, pinned, compared and used as a folder name. */
export function usernameKey(username: string): string {
  return username.search(CAPITAL) < 0 ? username : username.replace(CAPITAL, (letter) => letter.toLowerCase());
}
