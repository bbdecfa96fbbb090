/** What teams encrypt, sign and hash beside MLS, by nothing but Node's cryptography. */
import { createCipheriv, hkdfSync } from "node:crypto";
import { device, DEVICE_ID, GROUP, hex, sha256, signedFields, TIME, type Vector } from "./vector.ts";

const counting = (from: number, length: number) => Uint8Array.from({ length }, (_, index) => from + index);
const KEY = counting(0x10, 16);
const DIGEST = sha256(Buffer.from("a leaf node"));

/** AES-256-GCM (NIST SP 800-38D): the ciphertext, and its tag behind it. */
function sealed(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(data);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

const SETTINGS = { key: hex(KEY), name: "team", about: "", founded_at: TIME, admins: ["alice"], replaces: "" };

function settingsFields(settings: typeof SETTINGS, context = "aimessage group 1") {
  const { key, name, about, founded_at, admins, replaces } = settings;
  return signedFields(context, Buffer.from(key, "hex"), name, about, founded_at, admins, replaces);
}

function rightSettings(what: string, settings: typeof SETTINGS): Vector {
  const { fields, bytes } = settingsFields(settings);
  return { clause: "P-15.2", what, settings, fields, bytes: hex(bytes) };
}

function wrongSettings(what: string, { bytes }: { bytes: Uint8Array }): Vector {
  return { clause: "P-15.2", what, settings: null, bytes: hex(bytes), valid: false };
}

function settingsVectors(): Vector[] {
  return [
    rightSettings("settings of a team", SETTINGS),
    rightSettings("two admins in order of rank, a text, and a group that is replaced", {
      ...SETTINGS,
      name: "ops_2-x",
      about: "release crew, caf\u{e9}",
      admins: ["bob", "alice"],
      replaces: GROUP,
    }),
    wrongSettings("another context", settingsFields(SETTINGS, "aimessage group 2")),
    wrongSettings("a key of 15 bytes", settingsFields({ ...SETTINGS, key: hex(KEY.subarray(1)) })),
    wrongSettings("a name in capitals", settingsFields({ ...SETTINGS, name: "Team" })),
    wrongSettings("a name of one character", settingsFields({ ...SETTINGS, name: "t" })),
    wrongSettings("no admin", settingsFields({ ...SETTINGS, admins: [] })),
    wrongSettings("an admin twice", settingsFields({ ...SETTINGS, admins: ["alice", "alice"] })),
    wrongSettings("an admin in capitals", settingsFields({ ...SETTINGS, admins: ["Alice"] })),
    wrongSettings("a line break in the text", settingsFields({ ...SETTINGS, about: "a\nb" })),
    wrongSettings("a replaced group of three digits", settingsFields({ ...SETTINGS, replaces: "abc" })),
    wrongSettings("a field more", { bytes: Buffer.concat([settingsFields(SETTINGS).bytes, Buffer.alloc(4)]) }),
  ];
}

interface Data {
  commit_id: string;
  added: string[][];
  removed: string[][];
  statements: string[];
}

function commitVector(what: string, data: Data): Vector {
  const statements = data.statements.map((one) => Buffer.from(one, "hex"));
  const { fields, bytes } = signedFields("aimessage commit 2", data.commit_id, data.added, data.removed, statements);
  return { clause: "P-15.4", what, commit_data: data, fields, bytes: hex(bytes) };
}

function commitVectors(): Vector[] {
  return [
    commitVector("the data of an Update", { commit_id: "commit-1", added: [], removed: [], statements: [] }),
    commitVector("one added, two removed, and a statement", {
      commit_id: "commit-2",
      added: [["carol", "device-3"]],
      removed: [
        ["bob", "device-2"],
        ["dave", "device-4"],
      ],
      statements: ["0102"],
    }),
  ];
}

function statementVectors(): Vector[] {
  return (["leave", "rejoin"] as const).map((kind) => {
    const given = [`aimessage ${kind} 1`, GROUP, "alice", DEVICE_ID, 7, DIGEST] as const;
    const { fields, bytes } = signedFields(...given);
    const signature = device.sign(bytes);
    return {
      clause: "P-15.5",
      what: `a statement to ${kind}`,
      statement: { kind, group: GROUP, name: "alice", device: DEVICE_ID, epoch: 7, leaf: hex(DIGEST) },
      fields,
      bytes: hex(bytes),
      key: hex(device.publicKey),
      signature: hex(signature),
      signed: hex(signedFields(...given, signature).bytes),
    };
  });
}

function treeVectors(): Vector[] {
  const [key, nonce, tree] = [counting(0x20, 32), counting(0x40, 12), Buffer.from("a ratchet tree")];
  const { fields, bytes } = signedFields("aimessage tree 1", GROUP, 2);
  return [
    {
      clause: "P-15.6",
      what: "a tree as it travels",
      tree: hex(tree),
      group: GROUP,
      epoch: 2,
      key: hex(key),
      nonce: hex(nonce),
      fields,
      associated_data: hex(bytes),
      sealed: hex(Buffer.concat([nonce, sealed(key, nonce, bytes, tree)])),
    },
  ];
}

function directVectors(): Vector[] {
  const [secret, nonce] = [counting(0x60, 32), counting(0x80, 12)];
  const plaintext = Buffer.from("between us");
  const place = {
    group: GROUP,
    epoch: 7,
    from: ["Alice", DEVICE_ID],
    to: ["bob", "device-2"],
    message_id: "m1",
  } as const;
  const info = signedFields("alice", "bob");
  const key = new Uint8Array(hkdfSync("sha512", secret, new Uint8Array(), info.bytes, 32));
  const given = ["aimessage direct 1", GROUP, 7, "alice", DEVICE_ID, "bob", "device-2", "m1"] as const;
  const { fields, bytes } = signedFields(...given);
  const ciphertext = sealed(key, nonce, bytes, plaintext);
  const signed = signedFields(...given, nonce, ciphertext).bytes;
  return [
    {
      clause: "P-15.7",
      what: "a direct frame: the key of its direction, and its bytes",
      direct: place,
      exported: hex(secret),
      info: hex(info.bytes),
      key: hex(key),
      nonce: hex(nonce),
      plaintext: hex(plaintext),
      fields,
      associated_data: hex(bytes),
      signed: hex(signed),
      device_key: hex(device.publicKey),
      message: hex(Buffer.concat([nonce, ciphertext, device.sign(signed)])),
    },
  ];
}

function transcriptVectors(): Vector[] {
  const authenticator = counting(0xa0, 64);
  const messages = [
    { pos: 1, sender: "Alice", message_id: "m1", sha256: hex(sha256(Buffer.from("one"))) },
    { pos: 2, sender: "bob", message_id: "m1", sha256: hex(sha256(Buffer.from("two"))) },
    { pos: 3, sender: "Alice", message_id: "m2--1", sha256: hex(sha256(Buffer.from("three"))) },
  ];
  let before: Uint8Array = authenticator;
  const hashes = messages.map(({ pos, sender, message_id, sha256: digest }) => {
    const { bytes } = signedFields(before, pos, sender.toLowerCase(), message_id, Buffer.from(digest, "hex"));
    before = sha256(bytes);
    return hex(before);
  });
  return [
    {
      clause: "P-15.8",
      what: "three messages of an epoch, and what is said of having seen each",
      authenticator: hex(authenticator),
      transcript: messages,
      hashes,
      seen: hashes.map((hash) => hash.slice(0, 32)),
    },
  ];
}

export function teamVectors(): Vector[] {
  return [
    ...settingsVectors(),
    ...commitVectors(),
    ...statementVectors(),
    ...treeVectors(),
    ...directVectors(),
    ...transcriptVectors(),
  ];
}
