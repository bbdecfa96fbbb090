/** What is inside the encryption: headers, bodies and their padding, receipts. */
import { lengthPrefixed, toBase64, utf8 } from "../../packages/sdk/src/protocol/bytes.ts";
import { GROUP, hex, TIME, type Vector } from "./vector.ts";

const HEADER = { id: "m-1", type: "message", content_type: "text/plain", counter: 1, sent_at: TIME };

/** The Padme size of a length, by the bits that it keeps (Nikitin et al., PETS 2019, algorithm 1), and 256 at least. */
function padded(length: number): number {
  if (length <= 256) return 256;
  const exponent = 31 - Math.clz32(length);
  const kept = 32 - Math.clz32(exponent);
  const mask = (1 << (exponent - kept)) - 1;
  return (length + mask) & ~mask;
}

function pad(plain: Uint8Array): Uint8Array {
  const whole = new Uint8Array(padded(plain.length));
  whole.set(plain);
  return whole;
}

export function contentVectors(): Vector[] {
  const clause = "P-9.4";
  const file = {
    name: "report.pdf",
    bytes: 1000,
    type: "application/pdf",
    blob: "0123456789abcdef0123456789abcdef",
    token: SECRET,
    key: SECRET,
    sha256: SECRET,
    expires_at: TIME,
  };
  const withFiles = (what: string, files: unknown, valid: boolean): Vector => ({
    clause: "P-9.16",
    what,
    ...(valid ? { header: HEADER, body: hex(utf8("hello")), files } : {}),
    plaintext: hex(pad(lengthPrefixed(JSON.stringify(HEADER), "hello", JSON.stringify({ files })))),
    valid,
  });
  const right = (what: string, header: object, body: Uint8Array, written: object = header): Vector => ({
    clause,
    what,
    header,
    body: hex(body),
    plaintext: hex(pad(lengthPrefixed(JSON.stringify(written), body))),
    valid: true,
  });
  /** Without padding: it is not what is wrong with them. */
  const wrong = (what: string, plaintext: Uint8Array): Vector => ({
    clause,
    what,
    plaintext: hex(plaintext),
    valid: false,
  });
  const wrongHeader = (what: string, change: object) =>
    wrong(what, lengthPrefixed(JSON.stringify({ ...HEADER, ...change }), "hello"));
  const full = {
    ...HEADER,
    counter: 5,
    read: 4,
    lifetime: 60_000,
    expires_at: TIME + 60_500,
    reply_to: "m-0",
    thread: "chair",
    exchange: 2,
    expects_reply: true,
    human: true,
    headers: { "x-trace": "7f" },
    replaces: [GROUP],
  };
  const seen = { epoch: 7, pos: 3, hash: toBase64(new Uint8Array(16).fill(9)) };
  return [
    right("a text", HEADER, utf8("hello")),
    right("every field", full, utf8("hello")),
    right("in a team", { ...HEADER, counter: 5, base: 2, again: { id: "m-0", counter: 3 }, seen }, utf8("hello")),
    right("no body", HEADER, new Uint8Array()),
    right("bytes", { ...HEADER, content_type: "application/octet-stream" }, Uint8Array.of(0, 255, 0)),
    right("a text beyond ASCII", HEADER, utf8("caf\u{e9} \u{1f44b}")),
    right("a field of a later version is ignored", HEADER, utf8("hello"), { ...HEADER, later: [1] }),
    withFiles("a file", [file], true),
    withFiles("no file", [], false),
    withFiles("a file without its key", [{ ...file, key: undefined }], false),
    withFiles("a file of less than no bytes", [{ ...file, bytes: -1 }], false),
    withFiles("a blob's name that is a path", [{ ...file, blob: "../../etc/passwd" }], false),
    wrong("empty", new Uint8Array()),
    wrong("no body length", lengthPrefixed(JSON.stringify(HEADER))),
    wrong("a body that is cut off", lengthPrefixed(JSON.stringify(HEADER), "hello").subarray(0, -1)),
    wrong("a header length beyond the end", Uint8Array.of(255, 255, 255, 255, 123, 125)),
    wrong("a header that is no JSON", lengthPrefixed("{", "hello")),
    wrong("a header that is no object", lengthPrefixed("[]", "hello")),
    wrongHeader("a type that nobody knows", { type: "picture" }),
    wrongHeader("a counter of 0", { counter: 0 }),
    wrongHeader("an id of 61 characters", { id: "i".repeat(61) }),
    wrongHeader("an id with a dot", { id: "m.1" }),
    wrongHeader("a time that is no whole number", { sent_at: 0.5 }),
    wrongHeader("a line feed in the content type", { content_type: "text/plain\n" }),
    wrongHeader("expects_reply that is not true", { expects_reply: false }),
    wrongHeader("human that is not true", { human: "yes" }),
    wrongHeader("a header's value with a control character", { headers: { a: "b\n" } }),
    wrongHeader("seventeen headers", {
      headers: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`h${index}`, ""])),
    }),
    wrongHeader("seen by a hash of 15 bytes", { seen: { ...seen, hash: toBase64(new Uint8Array(15)) } }),
    wrongHeader("a group that is none", { replaces: [GROUP.slice(2)] }),
    {
      clause,
      what: "lengths of header and body with theirs, and the sizes to which they are padded",
      sizes: [0, 255, 256, 257, 512, 513, 1000, 1024, 1025, 65_537, 1_000_000].map((length) => [
        length,
        padded(length),
      ]),
    },
    ...[0, 1, 3, 10, 99].map((attempt) => ({
      clause: "P-9.5",
      what: attempt === 0 ? "a first sending" : "one that was not readable before",
      id: "m-1",
      attempt,
      message_id: attempt === 0 ? "m-1" : `m-1--${attempt}`,
    })),
    ...receiptVectors(),
  ];
}

const SECRET = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

function receiptVectors(): Vector[] {
  const receipt = {
    received: { [GROUP]: 7 },
    handled: ["m-1"],
    failed: [
      { id: "m-2", reason: "no such job" },
      { id: "m-3", reason: "clock", expired: true },
    ],
    missing: [{ group: GROUP, counter: 5 }],
    undecryptable: ["m-4--1"],
  };
  const wrong = (what: string, change: object): Vector => ({
    clause: "P-9.7",
    what,
    receipt_body: JSON.stringify({ ...receipt, ...change }),
    valid: false,
  });
  return [
    { clause: "P-9.7", what: "a receipt", receipt_body: JSON.stringify(receipt), receipt, valid: true },
    wrong("a counter of 0", { received: { [GROUP]: 0 } }),
    wrong("a failure without its reason", { failed: [{ id: "m-2" }] }),
    wrong("a list that is none", { handled: "m-1" }),
  ];
}
