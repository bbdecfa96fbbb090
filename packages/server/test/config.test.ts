import { inspect } from "node:util";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Config, defaultConfig, readConfig, UsageError } from "../src/index.ts";
import { aboutFiles, hasFiles, withoutFiles } from "../src/config/files.ts";
import { generalOptions, limitFlags } from "../src/config/options.ts";
import { VERSION } from "../src/version.ts";

const read = (argv: string[], env: Record<string, string> = {}) => readConfig(argv, env) as Config;

test("flags outweigh the environment, and that the defaults", () => {
  expect(read([])).toEqual(defaultConfig);
  expect(read([], { PORT: "9090", HOST: "0.0.0.0", DB_PATH: "/data", LOG_FORMAT: "json" })).toMatchObject({
    port: 9090,
    host: "0.0.0.0",
    db: "/data",
    log: "json",
  });
  expect(read(["--port", "1", "--db", "x"], { PORT: "9090", DB_PATH: "/data" })).toMatchObject({ port: 1, db: "x" });
  expect(read([], { PORT: "", DB_PATH: "" })).toMatchObject({ port: 8080, db: "./data" });
});

test("every limit is an option with sizes and times in plain units", () => {
  const { limits } = read(["--mailbox-age", "3d", "--frame-bytes", "64KiB", "--frames-per-second", "0"], {
    AIMESSAGE_IN_FLIGHT_MESSAGES: "7",
    AIMESSAGE_FRAME_BYTES: "1",
  });
  expect(limits).toEqual({
    ...defaultConfig.limits,
    mailboxAge: 3 * 24 * 3600 * 1000,
    frameBytes: 65_536,
    framesPerSecond: 0,
    inFlightMessages: 7,
  });
});

test("no relay takes larger frames than its clients do", () => {
  expect(read(["--frame-bytes", "16MiB"]).limits.frameBytes).toBe(2 ** 24);
  expect(() => read(["--frame-bytes", "17MiB"])).toThrow("--frame-bytes is 16MiB at most, not '17MiB'");
  expect(() => read(["--group-members", "1001"])).toThrow("--group-members is 1000 at most, not '1001'");
});

test("metrics have a port of their own if they are given one", () => {
  expect(read(["--metrics-port", "9090"]).metrics).toEqual({ host: "127.0.0.1", port: 9090 });
  expect(read(["--metrics-port", "0"], { METRICS_HOST: "10.0.0.5" }).metrics).toEqual({ host: "10.0.0.5", port: 0 });
  expect(() => read(["--metrics-host", "10.0.0.5"])).toThrow("--metrics-host needs --metrics-port");
});

test("encrypted files lie where all relays have them, and are not taken where there is no such place", () => {
  expect(read(["--files", "/mnt/shared"]).files).toEqual({ folder: "/mnt/shared" });
  expect(read([], { AIMESSAGE_FILES: "shared" }).files).toEqual({ folder: "shared" });
  expect(hasFiles(read([]))).toBe(true);
  const cluster = { ...defaultConfig, store: "postgres://relay@db/aimessage" } as unknown as Config;
  expect(withoutFiles(cluster).limits.blobs).toBe(0);
  expect(aboutFiles(cluster)).toEqual(["Encrypted files: none are taken without --files"]);
  const files = { folder: "/mnt/shared" };
  expect(withoutFiles({ ...cluster, files }).limits.blobs).toBe(defaultConfig.limits.blobs);
});

test("a bucket is named by an option, and reached as the environment says, of which nothing is printed", () => {
  const env = { AWS_ACCESS_KEY_ID: "KEY", AWS_SECRET_ACCESS_KEY: "hidden", AWS_SESSION_TOKEN: "passing" };
  const bucketOf = (place: string, more: Record<string, string> = {}) => {
    const { files } = read(["--files", place], { ...env, ...more });
    if (files === undefined || !("bucket" in files)) throw new Error("it is no bucket");
    return files.bucket;
  };
  const plain = bucketOf("s3://files");
  expect([plain.url.href, plain.region, plain.prefix]).toEqual([
    "https://s3.us-east-1.amazonaws.com/files/",
    "us-east-1",
    "",
  ]);
  expect(plain.credentials()).toEqual({ keyId: "KEY", secret: "hidden", session: "passing" });
  expect(inspect(plain, { depth: 9, showHidden: true })).not.toMatch(/KEY|hidden|passing/);
  const own = bucketOf("s3://files/a/b/", { AWS_REGION: "eu-1", AWS_ENDPOINT_URL: "http://127.0.0.1:9000/" });
  expect([own.url.href, own.region, own.prefix]).toEqual(["http://127.0.0.1:9000/files/", "eu-1", "a/b/"]);
  expect(() => bucketOf("s3://files", { AWS_ENDPOINT_URL: "127.0.0.1:9000" })).toThrow(
    "--files: AWS_ENDPOINT_URL needs a URL such as https://s3.example.org",
  );
});

test("lists are repeated as flags and separated in the environment", () => {
  expect(read(["--public-url", "wss://a.example", "--public-url", "wss://b.example"]).publicUrls).toHaveLength(2);
  expect(read([], { PUBLIC_URL: "wss://a.example, wss://b.example", ORIGINS: "https://c.example" })).toMatchObject({
    publicUrls: ["wss://a.example", "wss://b.example"],
    origins: ["https://c.example"],
  });
});

test("limits are lifted only where nobody else can connect", () => {
  expect(read(["--no-limits"]).limits).toMatchObject({ framesPerSecond: 0, registrationsPerSecond: 0 });
  expect(read(["--no-limits", "--frames-per-second", "5"]).limits.framesPerSecond).toBe(5);
  expect(() => read(["--no-limits", "--host", "0.0.0.0"])).toThrow(
    "--no-limits is only for loopback addresses, not for 0.0.0.0",
  );
});

test.each([
  [["--port", "http"], "--port needs a port from 0 to 65535, not 'http'"],
  [["--port", "65536"], "--port needs a port from 0 to 65535, not '65536'"],
  [
    ["--public-url", "relay.example"],
    "--public-url needs a URL such as https://relay.example.org, not 'relay.example'",
  ],
  [["--mailbox-age", "14"], "--mailbox-age needs a time such as 54s or 14d, not '14'"],
  [["--frame-bytes", "1MB"], "--frame-bytes needs a size such as 64KiB or 1MiB, not '1MB'"],
  [["--mailbox-messages", "-1"], "--mailbox-messages needs a whole number, not '-1'"],
  [
    ["--files", "nfs://host/files"],
    "--files needs a folder that all relays share, or s3://bucket/prefix, not 'nfs://host/files'",
  ],
  [["--files", ""], "--files needs a folder that all relays share, or s3://bucket/prefix, not ''"],
  [["--files", "s3://bucket/../other"], "--files needs a folder that all relays share, or s3://bucket/prefix, not"],
  [["--files", "s3://bucket"], "--files: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed"],
  [["--tls-cert", "x"], "--tls-cert and --tls-key are needed together"],
  [["--nope"], "unknown option '--nope'"],
  [["extra"], "unknown command"],
])("%j: %s", (argv, message) => {
  expect(() => read(argv)).toThrow(UsageError);
  expect(() => read(argv)).toThrow(message);
});

test("an error names the variable where the value came from one, and says what is valid", () => {
  for (const { env: variable, takes } of [...generalOptions, ...limitFlags]) {
    if (takes === "folder" || takes === "file" || takes === "address") continue;
    expect(() => readConfig([], { [variable]: "xy:" })).toThrow(
      new RegExp(`^${variable} needs (?!a valid).+, not 'xy:'$`),
    );
  }
});

test("help names every option and its default; version is the package's", () => {
  const { print } = readConfig(["--help"], {}) as { print: string };
  for (const part of ["--port", "--mailbox-age", "(default 14d)", "[DB_PATH]"]) expect(print).toContain(part);
  expect(readConfig(["-h"], {})).toEqual({ print });
  expect(readConfig(["--version"], {})).toEqual({ print: `${VERSION}\n` });
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as object;
  expect(manifest).toMatchObject({ version: VERSION });
});

test("no error about a store has its password in it, whatever is wrong with its URL", () => {
  for (const url of ["postgre://u:se/cret@h/db", "POSTGRE://u:secret@h", "http://u:se@cret@h", "x?password=secret"])
    expect(() => readConfig([], { AIMESSAGE_STORE: url })).toThrow(/^AIMESSAGE_STORE needs (?!.*cret)/s);
});

test("a password of a store may be in a variable, and in no argument", () => {
  const url = "postgres://aimessage:secret@db1/aimessage";
  expect(readConfig([], { AIMESSAGE_STORE: url })).toMatchObject({ store: url });
  expect(() => readConfig(["--store", url], {})).toThrow(/^(?!.*secret).*argument/s);
});
