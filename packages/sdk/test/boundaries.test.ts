/** Which room may know which, and what the packages show to the outside. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const packages = fileURLToPath(new URL("../../", import.meta.url));
const sdk = join(packages, "sdk/src");

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));

const IMPORT = /^(?:import|export|\}).* from "([^"]+)";$|^import "([^"]+)";$|\bimport\("([^"]+)"\)/gm;

/** Everything that a file imports or exports again, types included. */
const importsOf = (file: string) =>
  [...readFileSync(file, "utf8").matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3])!);

/** The same without what is gone when it runs. */
const loadedBy = (file: string) => {
  const text = readFileSync(file, "utf8").replaceAll(/^(?:import|export) type .*$/gm, "");
  return [...text.matchAll(IMPORT)].map((match) => (match[1] ?? match[2] ?? match[3])!);
};

/** The files that an entry reaches, and what they import from outside of the package. */
function reach(entry: string, imports = importsOf): { files: Set<string>; outside: Set<string> } {
  const [files, outside] = [new Set([entry]), new Set<string>()];
  for (const file of files)
    for (const name of imports(file))
      if (name.startsWith(".")) files.add(join(dirname(file), name));
      else outside.add(name);
  return { files, outside };
}

/** Which rooms of the SDK each may import from, `errors.ts` aside: data goes down once, and up once. */
const everywhere = ["protocol", "crypto", "store"];
const mayKnow: Record<string, string[]> = {
  agent: ["link", "files", "account", "trust", "wire", "records", ...everywhere],
  link: ["files", "account", "delivery", "conversation", "turn", "trust", "wire", "records", ...everywhere],
  account: ["turn", "trust", "wire", "records", ...everywhere],
  delivery: ["conversation", "turn", "trust", "wire", "records", ...everywhere],
  conversation: ["turn", "trust", "wire", "records", ...everywhere],
  turn: ["trust", "records", ...everywhere],
  trust: ["records", ...everywhere],
  files: ["records", ...everywhere],
  wire: ["protocol"],
  records: everywhere,
  crypto: ["protocol"],
  store: ["protocol"],
  protocol: [],
  node: ["agent", "files", "records", "wire", ...everywhere],
  browser: ["agent", "files", "records", ...everywhere],
  testing: ["store", "protocol"],
};

/** The same of the relay, but for what stands at its top. */
const relayMayKnow: Record<string, string[]> = {
  admin: ["blobs", "config", "store"],
  socket: ["handlers", "delivery", "config", "store"],
  blobs: ["config", "store"],
  handlers: ["blobs", "delivery", "config", "store"],
  delivery: ["store"],
  config: ["store"],
  store: [],
  testing: ["config", "store"],
};

/** Imports from rooms that may not be known. */
function importsAgainst(folder: string, known: Record<string, string[]>): string[] {
  const against: string[] = [];
  for (const { name: room } of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()))
    for (const file of filesIn(join(folder, room)))
      for (const name of importsOf(file).filter((name) => name.startsWith("."))) {
        const [other = "", ...rest] = relative(folder, join(dirname(file), name)).split("/");
        if (rest.length > 0 && other !== room && known[room]?.includes(other) !== true)
          against.push(`${relative(folder, file)} -> ${name}`);
      }
  return against;
}

function circlesIn(folder: string): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    const begun = path.indexOf(file);
    if (begun >= 0) circles.push([...path.slice(begun), file].map((name) => relative(folder, name)).join(" > "));
    if (begun >= 0 || done.has(file)) return;
    for (const name of importsOf(file)) if (name.startsWith(".")) visit(join(dirname(file), name), [...path, file]);
    done.add(file);
  };
  for (const file of filesIn(folder)) visit(file, []);
  return circles;
}

describe("the SDK", () => {
  it("runs everywhere: its main entry, protocol and acceptance suite reach nothing of Node", () => {
    for (const entry of ["index.ts", "protocol/index.ts", "testing/index.ts"]) {
      const { files, outside } = reach(join(sdk, entry));
      expect(files.size).toBeGreaterThan(3);
      expect([...outside].filter((name) => !/^(zod\/mini|ts-mls(\/.*)?)$/.test(name))).toEqual([]);
      expect([...files].filter((file) => file.startsWith(join(sdk, "node")))).toEqual([]);
    }
  });

  it("has a protocol that knows nothing but schemas", () => {
    const { files, outside } = reach(join(sdk, "protocol/index.ts"));
    expect([...files].filter((file) => dirname(file) !== join(sdk, "protocol"))).toEqual([]);
    expect([...outside]).toEqual(["zod/mini"]);
  });

  it("has a room for what both programs share, behind which is nothing else of the SDK", () => {
    const { files, outside } = reach(join(sdk, "node/program/index.ts"));
    expect([...files].filter((file) => dirname(file) !== join(sdk, "node/program"))).toEqual([]);
    expect([...outside].filter((name) => !name.startsWith("node:"))).toEqual([]);
  });

  it("has a look at what waits, which loads next to nothing", () => {
    const { files, outside } = reach(join(sdk, "node/glance.ts"), loadedBy);
    const loaded = [...files].map((file) => relative(sdk, file)).filter((file) => !file.startsWith("node/"));
    expect(loaded.toSorted()).toEqual([
      "protocol/username-key.ts",
      "records/news.ts",
      "records/team-naming.ts",
      "records/tier.ts",
    ]);
    expect([...outside].filter((name) => !name.startsWith("node:"))).toEqual([]);
  });

  it("knows the MLS library in one room", () => {
    const knowing = filesIn(sdk).filter((file) => importsOf(file).some((name) => name.startsWith("ts-mls")));
    expect(knowing.filter((file) => dirname(file) !== join(sdk, "crypto/mls"))).toEqual([]);
  });

  it("has rooms, each of which knows those below it and no others", () => {
    expect(importsAgainst(sdk, mayKnow)).toEqual([]);
  });

  it("has no circle of files that import each other, types included", () => {
    expect(circlesIn(sdk)).toEqual([]);
  });
});

describe("the relay", () => {
  const server = join(packages, "server/src");

  it("has rooms, each of which knows those below it, what the relay consists of, and no others", () => {
    expect(importsAgainst(server, relayMayKnow)).toEqual([]);
    const top = ["admin", "blobs", "config", "delivery", "handlers", "socket"].flatMap((room) =>
      filesIn(join(server, room)).flatMap((file) =>
        importsOf(file)
          .filter((name) => name.startsWith("."))
          .map((name) => relative(server, join(dirname(file), name)))
          .filter((name) => !name.includes("/")),
      ),
    );
    expect([...new Set(top)].toSorted()).toEqual(["context.ts", "log.ts", "metrics.ts", "version.ts"]);
  });

  it("has no circle of files that import each other, types included", () => {
    expect(circlesIn(server)).toEqual([]);
  });
});

describe("the other packages", () => {
  it("the relay knows the protocol and what both programs share, and nothing else of the SDK", () => {
    const names = filesIn(join(packages, "server/src")).flatMap(importsOf);
    for (const name of names.filter((name) => name.includes("sdk")))
      expect(["@aimessage/sdk/protocol", "@aimessage/sdk/program"]).toContain(name);
    expect(names.filter((name) => name.startsWith("ts-mls"))).toEqual([]);
  });

  it("the command line knows the SDK by its entries, and the relay not at all", () => {
    const names = filesIn(join(packages, "cli/src")).flatMap(importsOf);
    for (const name of names.filter((name) => name.includes("sdk")))
      expect(["", "/glance", "/node", "/program", "/protocol"].map((entry) => `@aimessage/sdk${entry}`)).toContain(
        name,
      );
    expect(names.filter((name) => name.includes("aimessage/server") || name.startsWith("ts-mls"))).toEqual([]);
  });
});

describe("the programs", () => {
  it("print by what escapes, and by nothing else", () => {
    const printing = ["cli/src", "server/src"]
      .flatMap((room) => filesIn(join(packages, room)))
      .filter((file) => /\b(?:stdout|stderr)\.write\(|\bconsole\.\w+\(|\bprint\(/.test(readFileSync(file, "utf8")));
    // Questions, which are escaped there.
    expect(printing.map((file) => relative(packages, file))).toEqual(["cli/src/prompt.ts"]);
  });
});

describe("the public face is exactly this list", () => {
  const main = [
    "Agent",
    "AgentError",
    "GroupCrypto",
    "MemoryFolder",
    "MemoryStore",
    "checkUsername",
    "formatPairingLine",
    "localErrors",
    "openAgent",
    "readPairingLine",
    "serverOfLine",
  ];
  const mainTypes = [
    "Alert",
    "AskOptions",
    "Asked",
    "Check",
    "ClientStore",
    "Contact",
    "Conversation",
    "CreateOptions",
    "CryptoProvider",
    "DeadLetter",
    "Diagnosis",
    "ErrorCode",
    "Explanation",
    "FileInfo",
    "FileProgress",
    "FileToSend",
    "Found",
    "Group",
    "GroupChange",
    "GroupMember",
    "Groups",
    "Guard",
    "GuardLimits",
    "Guarded",
    "HandleOptions",
    "Handler",
    "InboxEntry",
    "InboxPolicy",
    "IncomingFile",
    "IncomingMessage",
    "Line",
    "LinesOptions",
    "LinkEvent",
    "LinkHolder",
    "LinkLock",
    "ListenOptions",
    "Message",
    "MessageState",
    "MessageStatus",
    "News",
    "NewsSender",
    "OpenAgentOptions",
    "OutgoingFile",
    "OwnLine",
    "PairOptions",
    "Pairing",
    "PairingLine",
    "Passed",
    "Pending",
    "PendingOptions",
    "Question",
    "Range",
    "Reach",
    "ReadTransaction",
    "Recipients",
    "Reply",
    "ReplyOptions",
    "Request",
    "Requests",
    "SaveOptions",
    "SendOptions",
    "Sent",
    "SentEntry",
    "Socket",
    "Taken",
    "Tier",
    "Transport",
    "TrustOptions",
    "Value",
    "Wait",
    "WaitingChange",
    "WriteTransaction",
  ];
  const node = [
    ...main,
    "FilesRoot",
    "SqliteStore",
    "checkNewPassphrase",
    "defaultHome",
    "findAgent",
    "idMeantBy",
    "linkHolder",
    "listAgents",
    "newPassphrase",
    "nodeCryptoProvider",
    "serverUrl",
  ];
  const protocol = [
    "BlobId",
    "CIPHER_SUITE",
    "Id",
    "Invite",
    "Limits",
    "PROTOCOL_VERSION",
    "Username",
    "certificateBody",
    "clientFrames",
    "closeCodes",
    "concat",
    "decodeClientFrame",
    "decodeRelayFrame",
    "encodeCertificate",
    "encodeClientFrame",
    "encodeRelayFrame",
    "equal",
    "fingerprintBytes",
    "fromBase64",
    "fromUint64",
    "fromUtf8",
    "isBase64",
    "isLoopback",
    "lengthPrefixed",
    "FIRST_FRAME_LENGTH",
    "longestFrame",
    "lookAt",
    "MOST_FRAME_BYTES",
    "loginBytes",
    "pairingBytes",
    "pairingLineBytes",
    "randomId",
    "readCertificate",
    "registrationBytes",
    "relayFrames",
    "relayName",
    "splitLengthPrefixed",
    "toBase32",
    "toBase64",
    "usernameKey",
    "usernameObjection",
    "utf8",
    "wireErrors",
  ];

  it.each([
    ["@aimessage/sdk", main],
    ["@aimessage/sdk/node", node],
    ["@aimessage/sdk/browser", [...main, "IndexedDbStore", "fileToSend", "keepStorage", "listAgents"]],
    ["@aimessage/sdk/protocol", protocol],
    [
      "@aimessage/sdk/glance",
      ["agentFolder", "agentFolders", "announce", "announcedUpTo", "glance", "homeFolder", "shownUpTo", "userHome"],
    ],
    [
      "@aimessage/sdk/program",
      [
        "PAGE_HEADERS",
        "PageFiles",
        "StdoutError",
        "asOwnerOf",
        "becomeOwnerOf",
        "createOutput",
        "eachOptionOnce",
        "escapeBody",
        "escapeJson",
        "escapeJsonText",
        "escapeLine",
        "escapeText",
        "explainParser",
        "free",
        "garbledArgument",
        "guardStdio",
        "lossyLines",
        "makeWhole",
        "print",
        "printable",
        "readDuration",
        "syncFolder",
        "systemError",
        "table",
        "withHelpFlag",
        "withinColumns",
        "writeDuration",
        "writeWhole",
      ],
    ],
    ["@aimessage/sdk/testing", ["clientStoreCases"]],
  ])("%s", async (entry, names) => {
    expect(Object.keys((await import(entry)) as object).sort()).toEqual(names.toSorted());
  });

  it("types of @aimessage/sdk", () => {
    const text = readFileSync(join(sdk, "index.ts"), "utf8");
    const named = [...text.matchAll(/export( type)? \{([^}]*)\}/g)].flatMap(([, allTypes, list]) =>
      list!
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "" && (allTypes !== undefined || name.startsWith("type ")))
        .map((name) => name.replace(/^type /, "")),
    );
    expect(named.sort()).toEqual(mainTypes);
  });
});
