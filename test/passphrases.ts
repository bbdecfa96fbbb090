import crypto, { type BinaryLike, type ScryptOptions } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

type Derive = (password: BinaryLike, salt: BinaryLike, bytes: number, options: ScryptOptions, done: Done) => void;
type Done = (error: Error | null, key: Buffer) => void;

/**
 * For `beforeEach`, where a test is about something else: in this process a key costs next to nothing to derive of a passphrase, in place
 * of 128 MiB and half a second. It is another key than the same passphrase gives elsewhere.
 */
export function cheapPassphrases(): () => void {
  const scrypt = crypto.scrypt as Derive;
  put((password, salt, bytes, options, done) => scrypt(password, salt, bytes, { ...options, N: 2 }, done));
  return () => put(scrypt);
}

function put(derive: Derive): void {
  crypto.scrypt = derive as typeof crypto.scrypt;
  syncBuiltinESMExports();
}
