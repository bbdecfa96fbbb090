/** How requests for files are answered. */
import type { ServerResponse } from "node:http";
import { wireErrors, type WireReason } from "@aimessage/sdk/protocol";

export const TUS_VERSION = "1.0.0";

/** Nothing of a relay's files is shown, run or kept by a browser. [P-14.3] */
const SAFE = {
  "cache-control": "no-store",
  "content-security-policy": "sandbox",
  "x-content-type-options": "nosniff",
  "tus-resumable": TUS_VERSION,
};

type Headers = Record<string, string | number>;

/** Answers without a body. */
export function answerEmpty(response: ServerResponse, status: number, headers: Headers = {}): void {
  response.writeHead(status, {
    ...SAFE,
    ...headers,
    ...(status === 204 ? {} : { "content-length": headers["content-length"] ?? 0 }),
  });
  response.end();
}

/** Answers by a reason of the table of errors. The socket is closed behind it if what comes there may be anything. */
export function refuseBy(
  response: ServerResponse,
  reason: WireReason,
  { status, headers = {}, close = false }: { status?: number; headers?: Headers; close?: boolean } = {},
): void {
  const { code, message, hint } = wireErrors[reason];
  const body = JSON.stringify({ code, reason, message, hint });
  response.writeHead(status ?? code, {
    ...SAFE,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(close ? { connection: "close" } : {}),
    ...headers,
  });
  response.end(body);
}

/** Says when to ask again. Milliseconds. */
export function retryAfter(wait: number): { "retry-after": number } {
  return { "retry-after": Math.ceil(wait / 1000) };
}

/** The head of an answer that is a file, or a part of one. */
export function beginFile(response: ServerResponse, status: 200 | 206, headers: Headers): void {
  response.writeHead(status, {
    ...SAFE,
    "content-type": "application/octet-stream",
    "content-disposition": "attachment",
    "accept-ranges": "bytes",
    ...headers,
  });
}
