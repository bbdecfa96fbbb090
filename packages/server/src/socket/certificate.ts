import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type Server } from "node:tls";
import type { Config } from "../config/config.ts";
import type { Log } from "../log.ts";

/** How often the files are looked at. Milliseconds. */
const INTERVAL_MS = 5_000;

/** The certificate of a server, which is renewed while it runs. */
export interface Certificate extends Disposable {
  /** Reads the files now. */
  renew(): void;
}

/**
 * Has a server use a certificate and its key, and reads them anew when they have changed: once they are the same at two looks,
 * since they are two files, which are written one after the other. Of what cannot be used the log gets one line, and the old one stays.
 * @throws what the system or OpenSSL says of the first ones
 */
export function keepCertificate(
  server: Server,
  files: NonNullable<Config["tls"]>,
  log: Log,
  intervalMs = INTERVAL_MS,
): Certificate {
  let used = read(files);
  server.setSecureContext(used);
  let judged = stampOf(files);
  let seen = judged;

  function renew(): void {
    judged = stampOf(files);
    try {
      const found = read(files);
      if (found.cert.equals(used.cert) && found.key.equals(used.key)) return;
      const { validToDate } = new X509Certificate(found.cert);
      if (validToDate.getTime() < Date.now()) throw new Error(`it has expired on ${validToDate.toISOString()}`);
      // Throws if they do not belong together, before the server has either.
      createSecureContext(found);
      server.setSecureContext(found);
      used = found;
      log.info(`the TLS certificate is renewed, and valid until ${validToDate.toISOString()}`);
    } catch (error) {
      const { message } = error as Error;
      log.error({ err: message }, "the TLS certificate or its key cannot be used: the one before stays in use");
    }
  }

  const timer = setInterval(() => {
    const now = stampOf(files);
    if (now !== judged && now === seen) renew();
    seen = now;
  }, intervalMs);
  timer.unref();
  return { renew, [Symbol.dispose]: () => clearInterval(timer) };
}

function read({ cert, key }: NonNullable<Config["tls"]>): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

/** Changes when a file is written, replaced, or named by a link that leads elsewhere. */
function stampOf({ cert, key }: NonNullable<Config["tls"]>): string {
  const stamps = [cert, key].map((file) => {
    try {
      const { ino, size, mtimeMs } = statSync(file);
      return `${ino} ${size} ${mtimeMs}`;
    } catch {
      return "none";
    }
  });
  return stamps.join(", ");
}
