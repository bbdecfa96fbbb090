/** The page's own files, and what a browser may do with them. */
import type { ServerResponse } from "node:http";
import { extname } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Nothing from elsewhere, nothing inline, no text that becomes markup, in nobody's frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** Of everything that is answered. */
export const PAGE_HEADERS: Record<string, string> = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(self), microphone=(), geolocation=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cache-control": "no-store",
};

/** The files of the page by their paths: there is no other that a path could lead to. */
export class PageFiles {
  readonly #files: ReadonlyMap<string, Buffer>;

  constructor(files: Readonly<Record<string, string>>) {
    this.#files = new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]));
  }

  /** @returns whether there is such a file */
  answer(path: string, response: ServerResponse): boolean {
    const name = path === "/" ? "/index.html" : path;
    const content = this.#files.get(name);
    if (content === undefined) return false;
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    response.writeHead(200, { ...PAGE_HEADERS, "content-type": type, "content-length": content.length });
    response.end(content);
    return true;
  }
}
