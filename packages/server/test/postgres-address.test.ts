// Where the store is, as an operator writes it.
import { chmodSync, writeFileSync } from "node:fs";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { AddressError, parseAddress } from "../src/store/postgres/link/address.ts";
import { passwordFor } from "../src/store/postgres/link/password.ts";
import { folder } from "./folder.ts";

const verified = { rejectUnauthorized: true };

test("an address names hosts, of which each has its port", () => {
  const { hosts, user, database } = parseAddress("postgres://relay@db1,db2:6432,[fd00::1]:7432/aimessage");
  expect({ user, database }).toEqual({ user: "relay", database: "aimessage" });
  expect(hosts).toEqual([
    { host: "db1", port: 5432, tls: verified },
    { host: "db2", port: 6432, tls: verified },
    { host: "fd00::1", port: 7432, tls: verified },
  ]);
});

const tls = (url: string) => parseAddress(url).hosts.map((host) => host.tls);

test("TLS is verified off loopback, and left out where it is said or nothing leaves the machine", () => {
  expect(tls("postgres://r@db/d")).toEqual([verified]);
  for (const local of ["localhost", "127.0.0.1", "127.9.0.1:99", "[::1]", "%2Frun%2Fpostgresql"])
    expect(tls(`postgres://r@${local}/d`)).toEqual([false]);
  expect(tls("postgres://r@/d?host=/run/postgresql")).toEqual([false]);
  expect(tls("postgres://r@db,localhost/d?sslmode=disable")).toEqual([false, false]);
  expect(tls("postgres://r@db,localhost/d?sslmode=verify-full")).toEqual([verified, verified]);
  // What others take for "encrypted, by whomever" is verified here too.
  expect(tls("postgres://r@db/d?sslmode=require")).toEqual([verified]);
});

test("certificates are verified by the authority that the address names", () => {
  const file = `${folder()}/root.pem`;
  writeFileSync(file, "a certificate");
  const [host] = parseAddress(`postgres://r@db/d?sslrootcert=${encodeURIComponent(file)}`).hosts;
  expect(host?.tls).toEqual({ rejectUnauthorized: true, ca: "a certificate" });
});

test.each([
  ["mysql://r@db/d", /not of the form/],
  ["postgres://db/d", /no user/],
  ["postgres://r@db", /no database/],
  ["postgres://r@/d", /no host/],
  ["postgres://r@db:0/d", /port/],
  ["postgres://r@db:99999/d", /port/],
  ["postgres://r@db:x/d", /no host, or one that cannot be read/],
  ["postgres://r@a,,b/d", /no host/],
  ["postgres://r@db/d?host=/run", /twice/],
  ["postgres://r@db/d?sslmode=prefer", /verify-full/],
  ["postgres://r@db/d?pool=3", /parameter pool/],
  ["postgres://r@db/d?sslrootcert=/nowhere/root.pem", /sslrootcert/],
  ["postgres://r%@db/d", /user/],
])("%s is refused with a reason", (url, reason) => {
  expect(() => parseAddress(url)).toThrow(AddressError);
  expect(() => parseAddress(url)).toThrow(reason);
});

test("a password in the address is used and never shown", () => {
  const address = parseAddress("postgres://relay:s3%3Acret@db/d");
  expect(address.password()).toBe("s3:cret");
  expect(inspect(address, { depth: 9, showHidden: true })).not.toContain("s3");
  expect(JSON.stringify(address)).not.toContain("s3");
  for (const wrong of [
    "postgres://relay:s3cret@db/d?x=1",
    "postgres://relay:s3cret@/d",
    "postgres://relay:s3cret%@d/d",
  ])
    expect(() => parseAddress(wrong)).toThrow(/^(?!.*s3cret)/);
});

const ask = (url: string, env: Record<string, string>) => {
  const address = parseAddress(url);
  return passwordFor(address, address.hosts[0] as never, env);
};

test("a password comes from the address, from PGPASSWORD, or from the file that PGPASSFILE names", async () => {
  const file = `${folder()}/pass`;
  writeFileSync(
    file,
    "# ours\ndb:5432:other:relay:no\ndb:5432:d:relay:a\\:b\\\\c\n*:*:*:somebody:any\nlocalhost:*:*:relay:local:x\n",
    {
      mode: 0o600,
    },
  );
  expect(await ask("postgres://relay:x@db/d", { PGPASSWORD: "y", PGPASSFILE: file })).toBe("x");
  expect(await ask("postgres://relay@db/d", { PGPASSWORD: "y", PGPASSFILE: file })).toBe("y");
  expect(await ask("postgres://relay@db/d", { PGPASSFILE: file })).toBe("a:b\\c");
  expect(await ask("postgres://somebody@else:1/d", { PGPASSFILE: file })).toBe("any");
  expect(await ask("postgres://relay@/d?host=/run", { PGPASSFILE: file })).toBe("local:x");
  expect(await ask("postgres://relay@elsewhere/d", { PGPASSFILE: file })).toBeUndefined();
  expect(await ask("postgres://relay@db/d", {})).toBeUndefined();
  chmodSync(file, 0o640);
  await expect(ask("postgres://relay@db/d", { PGPASSFILE: file })).rejects.toThrow(/Others can read/);
});
