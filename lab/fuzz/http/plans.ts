import * as fc from "fast-check";
import { mostly, pick, weighed } from "../values.ts";

/** A request before it is known for which file, and how much of that has come: numbers are taken modulo what there is. */
export interface RequestPlan {
  file: number;
  method: string;
  path: Path;
  token: Token;
  tus: string | undefined;
  type: string | undefined;
  offset: Offset;
  length: Length;
  range: string | undefined;
  /** Lines of the head that are odd, or cost something. */
  extra: string[];
  /** Of the body that is said to come, a thousandth each. */
  part: number;
  version: string;
}
export type Path = (typeof paths)[number];
export type Token = "right" | "read" | "upload" | "other" | "wrong" | "none" | "scheme" | "twice" | "long";
export type Offset = "right" | "none" | "twice" | { beside: number } | { text: string };
export type Length = "right" | "none" | "chunked" | "both" | "beyond" | "twice" | { text: string };

/** How a request gets to the relay. */
export type Delivery =
  | { how: "whole" | "again" }
  | { how: "pieces"; size: number; pause: number }
  | { how: "cut" | "half"; at: number };

export type HttpPlan =
  | { do: "ask"; request: RequestPlan; delivery: Delivery }
  | { do: "pipeline"; requests: RequestPlan[] }
  | { do: "crowd"; requests: RequestPlan[]; times: number; at: number }
  | { do: "bytes"; text: string };

const paths = ["right", "query", "upper", "slash", "double", "dots", "percent", "absolute", "short", "long"] as const;
const METHODS = ["POST", "PUT", "get", "PROPFIND", "CONNECT", "TRACE", "M-SEARCH", "QUERY", "PATCHX", "PRI"];
const RANGES = [
  ..."bytes=0- bytes=-1 bytes=-0 bytes=5-2 bytes=0-0 bytes=100-199 bytes=-99999999 bytes=999999999- bytes=- bytes=0-1,3-4".split(
    " ",
  ),
  ..."bytes=1e3- bytes=0x1- items=0-1 bytes=99999999999999999999- bytes=0-99999999999999999999 bytes=+1-".split(" "),
  "bytes = 0-1",
  "",
  `bytes=${"0-1,".repeat(3000)}`,
];
const NUMBERS = [
  "-1",
  "1e2",
  "0x10",
  "1.5",
  "",
  " ",
  "+5",
  "9".repeat(15),
  "9".repeat(400),
  "NaN",
  "\u0663",
  "0, 0",
  "007",
];
/** Of these none is a length: what comes behind would be a part, too. */
const LENGTHS = NUMBERS.filter((text) => text !== "007");
const EXTRA = [
  ["Expect: 100-continue"],
  ["Expect: the-unexpected"],
  ["Connection: close"],
  ["Connection: keep-alive, Upgrade", "Upgrade: websocket"],
  ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
  ["TE: trailers", "Trailer: X-Y"],
  ["Origin: https://evil.example"],
  ["Origin: null"],
  ["X-HTTP-Method-Override: DELETE"],
  ['If-Range: "x"', "If-None-Match: *"],
  ["Content-Encoding: gzip"],
  ["Upload-Length: 5", "Upload-Defer-Length: 1", "Upload-Concat: partial"],
  ["X-Forwarded-For: 192.0.2.1, 198.51.100.7"],
  ["Host: another.example"],
  ["Transfer-Encoding: identity"],
  ["Transfer-Encoding : chunked"],
  [" folded: line"],
  ["No colon here"],
  ["X-Nul: a\0b"],
  ["X-Bare: a\rb"],
  [`X-Long: ${"x".repeat(20_000)}`],
  Array.from({ length: 300 }, (_, count) => `X-Many-${count}: y`),
  ["__proto__: x", "constructor: y"],
];

const method = weighed(
  [8, fc.constant("PATCH")],
  [6, fc.constant("GET")],
  [3, fc.constant("HEAD")],
  [0.4, fc.constant("DELETE")],
  [1, fc.constant("OPTIONS")],
  [1, fc.constantFrom(...METHODS)],
);

const request: fc.Arbitrary<RequestPlan> = fc.record({
  file: pick,
  method,
  path: mostly<Path>(12, "right", ...paths),
  token: mostly<Token>(8, "right", "read", "upload", "other", "wrong", "none", "scheme", "twice", "long"),
  tus: mostly<string | undefined>(12, "1.0.0", undefined, "0.2.2", "1.0.0, 1.0.0", ""),
  type: mostly<string | undefined>(
    12,
    "application/offset+octet-stream",
    undefined,
    "text/plain",
    "application/OFFSET+octet-stream",
  ),
  offset: weighed<Offset>(
    [12, fc.constant("right")],
    [2, fc.record({ beside: fc.constantFrom(-1, 1, -1000, 1000, 1e12) })],
    [1, fc.record({ text: fc.constantFrom(...NUMBERS) })],
    [0.5, fc.constantFrom<Offset[]>("none", "twice")],
  ),
  length: weighed<Length>(
    [12, fc.constant("right")],
    [1, fc.constantFrom<Length[]>("none", "chunked", "both", "beyond", "twice")],
    [0.5, fc.record({ text: fc.constantFrom(...LENGTHS) })],
  ),
  range: weighed<string | undefined>([2, fc.constant(undefined)], [3, fc.constantFrom(...RANGES)]),
  extra: weighed<string[]>([5, fc.constant([])], [1, fc.constantFrom(...EXTRA)]),
  part: fc.integer({ min: 0, max: 1000 }),
  version: mostly(30, "1.1", "1.0", "2.0", "0.9", "1.1 ", "11"),
});

const delivery: fc.Arbitrary<Delivery> = weighed<Delivery>(
  [6, fc.record({ how: fc.constant("whole" as const) })],
  [6, fc.record({ how: fc.constant("again" as const) })],
  [
    1,
    fc.record({
      how: fc.constant("pieces" as const),
      size: fc.constantFrom(1, 7, 100, 5000),
      pause: fc.constantFrom(0, 1, 5),
    }),
  ],
  [3, fc.record({ how: fc.constantFrom("cut" as const, "half" as const), at: fc.integer({ min: 0, max: 1000 }) })],
);

const BYTES = [
  "\r\n\r\n\r\n",
  "\0".repeat(1000),
  "GET /blobs/",
  `GET /blobs/${"a".repeat(40_000)} HTTP/1.1\r\n\r\n`,
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "GET /blobs HTTP/1.1\r\nHost: x\r\n\r\n",
  "PATCH /blobs/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
  "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET /blobs/x HTTP/1.1\nHost: x\n\n",
  "GET /blobs/x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500),
  "POST /blobs HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\nContent-Length: 0\r\n\r\n",
];

const plan: fc.Arbitrary<HttpPlan> = weighed<HttpPlan>(
  [40, fc.record({ do: fc.constant("ask" as const), request, delivery })],
  [3, fc.record({ do: fc.constant("pipeline" as const), requests: fc.array(request, { minLength: 2, maxLength: 5 }) })],
  [
    0.5,
    fc.record({
      do: fc.constant("crowd" as const),
      requests: fc.array(request, { minLength: 1, maxLength: 4 }),
      times: fc.integer({ min: 5, max: 40 }),
      at: fc.integer({ min: 0, max: 1000 }),
    }),
  ],
  [1, fc.record({ do: fc.constant("bytes" as const), text: fc.constantFrom(...BYTES) })],
);

/** Plans that are carried out before the files are looked at. */
const BATCH = 24;

/** The plans of one slot, without end: the same for the same seed. */
export function* httpPlansOf(seed: number, slot: number): Generator<HttpPlan[], never> {
  for (let batch = 0; ; batch++) {
    const own = (Math.imul(seed, 0x27d4eb2f) ^ Math.imul(slot + 1, 0x165667b1) ^ Math.imul(batch + 1, 0xd3a2646c)) | 0;
    yield fc.sample(plan, { seed: own, numRuns: BATCH });
  }
}
