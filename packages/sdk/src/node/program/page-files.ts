/** The page's own files, and what a browser may do with them. */
import type { ServerResponse } from "node:http";
import { extname } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const POLICY = "content-security-policy";

/** Of everything that is answered. Nothing from elsewhere, nothing inline, no text that becomes markup, in nobody's frame. */
export const PAGE_HEADERS: Record<string, string> = {
  [POLICY]: [
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
  ].join("; "),
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
  readonly #headers: Record<string, string>;

  /** @param relay The URL of the relay that the page is to talk to, where another one than who serves it */
  constructor(files: Readonly<Record<string, string>>, relay?: string) {
    const told = relay === undefined ? files : { ...files, "/index.html": tell(files["/index.html"] ?? "", relay) };
    this.#files = new Map(Object.entries(told).map(([path, text]) => [path, Buffer.from(text)]));
    this.#headers = relay === undefined ? PAGE_HEADERS : { ...PAGE_HEADERS, [POLICY]: policyFor(relay) };
  }

  /** @returns whether there is such a file */
  answer(path: string, response: ServerResponse): boolean {
    const name = path === "/" ? "/index.html" : path;
    const content = this.#files.get(name);
    if (content === undefined) return false;
    const type = TYPES[extname(name)] ?? "application/octet-stream";
    response.writeHead(200, { ...this.#headers, "content-type": type, "content-length": content.length });
    response.end(content);
    return true;
  }
}

/** Messages go to its WebSocket, files by HTTP. */
function policyFor(relay: string): string {
  const { origin } = new URL(relay);
  return (PAGE_HEADERS[POLICY] ?? "").replace(
    "connect-src 'self'",
    `connect-src ${origin} ${origin.replace(/^ws/, "http")}`,
  );
}

/** A page has no other way to hear it before it runs. A URL that was parsed has nothing that ends an attribute. */
function tell(page: string, relay: string): string {
  return page.replace("<head>", `<head><meta name="relay" content="${new URL(relay).href}">`);
}
