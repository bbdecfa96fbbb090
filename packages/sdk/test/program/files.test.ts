/** Files of both programs: whole or not at all, for their owner alone, and never where somebody else points. */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { makeWhole, writeWhole } from "@aimessage/sdk/program";
import { describe, expect, it } from "vitest";
import { smallDisk } from "../../../../test/small-disk.ts";
import { newFolder } from "../store/folder.ts";

const isRoot = process.geteuid?.() === 0;
const OTHER = 12_345;
const fail = () => {
  throw new Error("failed");
};
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("a file that is written whole", () => {
  it("is its owner's alone, whatever the umask and whatever was there", () => {
    const folder = newFolder();
    const file = join(folder, "file");
    for (const mask of [0, 0o777]) {
      const before = process.umask(mask);
      try {
        writeWhole(join(folder, `new ${mask}`), "text");
      } finally {
        process.umask(before);
      }
      expect(modeOf(join(folder, `new ${mask}`))).toBe("600");
    }
    writeFileSync(file, "open to all", { mode: 0o644 });
    writeWhole(file, new Uint8Array(3), { replace: true });
    expect([modeOf(file), statSync(file).size]).toEqual(["600", 3]);
  });

  it("takes no other one's place unless it shall, be that a file, a folder or a link to nowhere", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "file"), "kept");
    mkdirSync(join(folder, "folder"));
    symlinkSync(join(folder, "nowhere"), join(folder, "link"));
    for (const name of ["file", "folder", "link"])
      expect(() => writeWhole(join(folder, name), "text")).toThrow(expect.objectContaining({ code: "EEXIST" }));
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("kept");
    expect(readdirSync(folder).sort()).toEqual(["file", "folder", "link"]);
  });

  it("never takes the place of a folder or a device", () => {
    const folder = newFolder();
    symlinkSync("/dev/null", join(folder, "link"));
    expect(() => writeWhole(folder, "text", { replace: true })).toThrow(expect.objectContaining({ code: "EISDIR" }));
    for (const path of [join(folder, "link"), "/dev/null"])
      expect(() => writeWhole(path, "text", { replace: true })).toThrow(/EFTYPE|EACCES/);
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
    expect(readdirSync(folder)).toEqual(["link"]);
  });

  it("follows a link of our own, and replaces one that somebody else can have put there", () => {
    const folder = newFolder();
    const [target, link] = [join(folder, "target"), join(folder, "link")];
    writeFileSync(target, "before");
    symlinkSync(target, link);
    writeWhole(link, "ours", { replace: true });
    expect([lstatSync(link).isSymbolicLink(), readFileSync(target, "utf8")]).toEqual([true, "ours"]);
    chmodSync(folder, 0o777);
    writeWhole(link, "not followed", { replace: true });
    expect([lstatSync(link).isFile(), readFileSync(link, "utf8")]).toEqual([true, "not followed"]);
    expect(readFileSync(target, "utf8")).toBe("ours");
  });

  it.runIf(isRoot)("belongs to the folder's owner where root makes it and that is asked for", () => {
    const folder = newFolder();
    chownSync(folder, OTHER, OTHER);
    writeWhole(join(folder, "root's"), "text");
    writeWhole(join(folder, "theirs"), "text", { owner: "folder" });
    expect(statSync(join(folder, "root's")).uid).toBe(0);
    expect(statSync(join(folder, "theirs"))).toMatchObject({ uid: OTHER, gid: OTHER });
  });

  it("leaves nothing behind, and what was there as it was, when the disk is full or its making fails", ({ skip }) => {
    using disk = smallDisk("64k") ?? skip("no right to mount a small disk");
    const file = join(disk.path, "file");
    writeWhole(file, "good");
    for (const replace of [true, false]) {
      const path = replace ? file : join(disk.path, "first");
      expect(() => makeWhole(path, fail, { replace })).toThrow("failed");
      expect(() => writeWhole(path, "x".repeat(65_536), { replace })).toThrow("ENOSPC");
    }
    expect(readdirSync(disk.path)).toEqual(["file"]);
    expect(readFileSync(file, "utf8")).toBe("good");
  });
});
