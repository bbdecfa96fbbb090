/** Files that come in pieces: saved under a name of their own, in their folder, and nowhere else, whatever happens. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs, {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { smallDisk } from "../../../../test/small-disk.ts";
import { nameKey, numbered } from "../../src/files/names.ts";
import { PartFile, roomIn } from "../../src/node/part-file.ts";
import { fromUtf8, utf8 } from "../../src/protocol/index.ts";
import { newFolder } from "../store/folder.ts";
import { hostileNames } from "./hostile-names.ts";

const isRoot = process.geteuid?.() === 0;
const OTHER = 12_345;
const CHILD = fileURLToPath(new URL("part-child.ts", import.meta.url));

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const text = (path: string) => readFileSync(path, "utf8");

/** Saves a text at once. @returns the whole path */
async function save(folder: string, name: string, content = name): Promise<string> {
  await using file = await PartFile.open(folder, name);
  await file.write(0, utf8(content));
  return file.finish();
}

function firstFree(name: string, taken: ReadonlySet<string>): string {
  for (let n = 1; ; n++) {
    const one = n === 1 ? name : numbered(name, n);
    if (!taken.has(nameKey(one))) return one;
  }
}

/** A part with something in it, left behind. @returns its name */
async function leave(folder: string, name = "name", content = "begun"): Promise<string> {
  await using file = await PartFile.open(folder, name);
  await file.write(0, utf8(content));
  return file.part;
}

/** Runs a process that saves a file until it has come to a point, and kills it there. @returns the part's name */
async function killed(folder: string, name: string, until: "writing" | "named"): Promise<string> {
  const child = spawn(process.execPath, ["--conditions=@aimessage/source", CHILD, folder, name, until], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGKILL");
  await exit;
  return line.toString().trim();
}

describe("a file that comes in pieces", () => {
  it("has its name when it is whole, and is its owner's alone, whatever the umask", async () => {
    const folder = newFolder();
    for (const mask of [0, 0o777]) {
      const before = process.umask(mask);
      const file = await PartFile.open(folder, `of ${mask}`).finally(() => process.umask(before));
      expect(file.part).toMatch(new RegExp(`^\\.of ${mask}\\.part-[0-9a-f]{16}$`));
      await file.write(0, utf8("hello "));
      expect([readdirSync(folder).includes(`of ${mask}`), modeOf(join(folder, file.part))]).toEqual([false, "600"]);
      await file.write(6, utf8("world, and padding"));
      await file.truncate(11);
      expect([file.bytes, fromUtf8(await file.read(3, 100)), file.finished]).toEqual([11, "lo world", undefined]);
      const path = await file.finish();
      expect([path, file.finished, text(path), modeOf(path)]).toEqual([
        join(folder, `of ${mask}`),
        path,
        "hello world",
        "600",
      ]);
    }
    expect(readdirSync(folder).sort()).toEqual(["of 0", "of 511"]);
  });

  it("has no hole, is written no more when it has its name, and takes no place but the first free one", async () => {
    const folder = newFolder();
    await using file = await PartFile.open(folder, "name");
    await expect(file.write(1, utf8("x"))).rejects.toBeInstanceOf(RangeError);
    await expect(file.truncate(1)).rejects.toBeInstanceOf(RangeError);
    await file.finish();
    await expect(file.write(0, utf8("x"))).rejects.toThrow("already");
    expect([await file.finish(), readdirSync(folder)]).toEqual([join(folder, "name"), ["name"]]);
  });

  it("is gone when it is discarded, and stays a part when it is closed", async () => {
    const folder = newFolder();
    const part = await leave(folder);
    expect(readdirSync(folder)).toEqual([part]);
    const again = await PartFile.open(folder, "name", { part });
    const buffer = new Uint8Array(10);
    expect([fromUtf8(await again.read(1, 3, buffer)), fromUtf8(buffer.subarray(0, 3))]).toEqual(["eg", "eg\0"]);
    await again.discard();
    await again.discard();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("is not closed before what was asked of it is done", async () => {
    const folder = newFolder();
    const file = await PartFile.open(folder, "name");
    const all = [file.write(0, utf8("a")), file.write(1, utf8("b")), file.read(0, 2), file.close(), file.read(0, 2)];
    const [, , read, closed, late] = await Promise.allSettled(all);
    expect(read).toEqual({ status: "fulfilled", value: utf8("ab") });
    expect([closed?.status, late?.status]).toEqual(["fulfilled", "rejected"]);
  });

  it("finds no folder, and says so", async () => {
    await expect(PartFile.open(join(newFolder(), "none"), "name")).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("names that mean harm", () => {
  it("lead nowhere but to a file of the folder", async () => {
    const root = newFolder();
    const folder = join(root, "a", "b");
    mkdirSync(folder, { recursive: true });
    const before = new Set<string>();
    for (const [given, saved] of hostileNames) {
      const path = await save(folder, given, `of ${saved}`);
      expect([dirname(path), lstatSync(path).isFile(), text(path)]).toEqual([folder, true, `of ${saved}`]);
      expect(nameKey(basename(path))).toBe(nameKey(firstFree(saved, before)));
      before.add(nameKey(basename(path)));
    }
    expect([readdirSync(root), readdirSync(join(root, "a"))]).toEqual([["a"], ["b"]]);
    expect(readdirSync(folder)).toHaveLength(hostileNames.length);
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("overwrite nothing, and go through no link, be it to a file, to a folder, or to nowhere", async () => {
    const root = newFolder();
    const [folder, elsewhere] = [join(root, "folder"), join(root, "elsewhere")];
    mkdirSync(folder);
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "target"), "kept");
    const there = new Map<string, string>();
    for (const [index, [, saved]] of hostileNames.entries()) {
      const path = join(folder, saved);
      if (there.has(saved)) continue;
      if (index % 4 === 0) symlinkSync(join(elsewhere, "target"), path);
      else if (index % 4 === 1) symlinkSync(join(elsewhere, `nowhere ${index}`), path);
      else if (index % 4 === 2) symlinkSync(elsewhere, path);
      else writeFileSync(path, "kept");
      there.set(saved, `${lstatSync(path).ino}`);
    }
    for (const [given, saved] of hostileNames)
      expect(there.has(basename(await save(folder, given, saved)))).toBe(false);
    for (const [name, ino] of there) expect(`${lstatSync(join(folder, name)).ino}`).toBe(ino);
    expect([readdirSync(elsewhere), text(join(elsewhere, "target"))]).toEqual([["target"], "kept"]);
    expect(readdirSync(folder)).toHaveLength(there.size + hostileNames.length);
  });
});

describe("a name that is taken", () => {
  it("gets a number, before the extension", async () => {
    const folder = newFolder();
    for (const expected of ["a.pdf", "a (2).pdf", "a (3).pdf"])
      expect(await save(folder, "a.pdf")).toBe(join(folder, expected));
    unlinkSync(join(folder, "a (2).pdf"));
    expect(await save(folder, "a.pdf")).toBe(join(folder, "a (2).pdf"));
  });

  it("is taken by a folder, by one in another case, and by one that is written otherwise", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "README.md"));
    writeFileSync(join(folder, "cafe\u0301"), "");
    writeFileSync(join(folder, "STRASSE (2)"), "");
    writeFileSync(join(folder, "stra\u00dfe"), "");
    for (const [given, saved] of [
      ["ReadMe.MD", "ReadMe (2).MD"],
      ["CAF\u00c9", "CAF\u00c9 (2)"],
      ["Strasse", "Strasse (3)"],
    ] as const)
      expect(basename(await save(folder, given))).toBe(saved);
  });

  it("is given to one of many that are ready at once", async () => {
    const folder = newFolder();
    const paths = await Promise.all(Array.from({ length: 20 }, (_, index) => save(folder, "a", `${index}`)));
    expect(paths.map(text)).toEqual(paths.map((_, index) => `${index}`));
    expect(new Set(paths).size).toBe(20);
    expect(readdirSync(folder)).toHaveLength(20);
  });

  it("is not overwritten either where there are no hard links", async () => {
    const [folder, { linkSync: link }] = [newFolder(), fs];
    onTestFinished(() => {
      fs.linkSync = link;
      syncBuiltinESMExports();
    });
    fs.linkSync = () => {
      throw Object.assign(new Error("not permitted"), { code: "EPERM" });
    };
    syncBuiltinESMExports();
    symlinkSync(join(folder, "nowhere"), join(folder, "a (2)"));
    writeFileSync(join(folder, "b"), "kept");
    expect(basename(await save(folder, "a"))).toBe("a");
    expect(basename(await save(folder, "A"))).toBe("A (3)");
    expect(basename(await save(folder, "b"))).toBe("b (2)");
    expect(readdirSync(folder).sort()).toEqual(["A (3)", "a", "a (2)", "b", "b (2)"]);
    expect(text(join(folder, "b"))).toBe("kept");
  });
});

describe("a part of before", () => {
  it("goes on where it was", async () => {
    const folder = newFolder();
    const part = await leave(folder);
    await using file = await PartFile.open(folder, "name", { part });
    expect([file.part, file.bytes, fromUtf8(await file.read(0, 5))]).toEqual([part, 5, "begun"]);
    await file.write(5, utf8(", done"));
    expect([text(await file.finish()), readdirSync(folder)]).toEqual(["begun, done", ["name"]]);
  });

  it("begins anew if it is gone, or no part's name, or a path", async () => {
    const root = newFolder();
    const folder = join(root, "folder");
    mkdirSync(folder);
    const outside = await leave(root);
    writeFileSync(join(folder, "file"), "kept");
    for (const part of [".name.part-0123456789abcdef", "file", `../${outside}`, join(root, outside), "", ".", ".."]) {
      await using file = await PartFile.open(folder, "name", { part });
      expect([file.bytes, dirname(file.part), file.part === part]).toEqual([0, ".", false]);
      await file.discard();
    }
    expect([text(join(folder, "file")), text(join(root, outside))]).toEqual(["kept", "begun"]);
  });

  it("begins anew if it is a link, a folder, a pipe, or has a name elsewhere, and leaves those alone", async () => {
    const root = newFolder();
    const folder = join(root, "folder");
    mkdirSync(folder);
    const secret = join(root, "secret");
    writeFileSync(secret, "kept", { mode: 0o600 });
    const path = (index: number) => join(folder, `.name.part-000000000000000${index}`);
    symlinkSync(secret, path(0));
    mkdirSync(path(1));
    spawnSync("mkfifo", [path(2)]);
    linkSync(secret, path(3));
    // Two names in the folder, of which none is one that it could have got.
    writeFileSync(path(4), "kept");
    linkSync(path(4), join(folder, "another"));
    for (const index of [0, 1, 2, 3, 4]) {
      await using file = await PartFile.open(folder, "name", { part: basename(path(index)) });
      expect([file.bytes, file.finished, file.part === basename(path(index))]).toEqual([0, undefined, false]);
      await file.write(0, utf8("new"));
      await file.discard();
    }
    expect([text(secret), text(path(4)), readdirSync(folder).length]).toEqual(["kept", "kept", 6]);
  });

  it.runIf(isRoot)("begins anew if it is another user's", async () => {
    const folder = newFolder();
    const part = await leave(folder);
    chownSync(join(folder, part), OTHER, OTHER);
    await using file = await PartFile.open(folder, "name", { part });
    expect([file.bytes, file.part === part]).toEqual([0, false]);
  });

  it("gets no name if another file has taken its place", async () => {
    const folder = newFolder();
    const file = await PartFile.open(folder, "name");
    unlinkSync(join(folder, file.part));
    writeFileSync(join(folder, file.part), "another");
    await expect(file.finish()).rejects.toMatchObject({ code: "EFTYPE" });
    await file.discard();
    expect(readdirSync(folder)).toEqual([file.part]);
  });
});

describe("a process that is killed", () => {
  it("leaves a part, which another one goes on with", async () => {
    const folder = newFolder();
    const part = await killed(folder, "a.bin", "writing");
    expect(readdirSync(folder)).toEqual([part]);
    await using file = await PartFile.open(folder, "a.bin", { part });
    expect(file.bytes).toBeGreaterThanOrEqual(100_000);
    expect((await file.read(0, file.bytes)).every((byte) => byte === 1)).toBe(true);
    await file.truncate(100_000);
    expect([statSync(await file.finish()).size, readdirSync(folder)]).toEqual([100_000, ["a.bin"]]);
  });

  it.each([
    ["a.bin", "a.bin"],
    ["../A.bin", "A (2).bin"],
  ])("between the name and the end of the part is found to have finished: %s", async (given, saved) => {
    const folder = newFolder();
    if (given !== saved) writeFileSync(join(folder, "a.BIN"), "kept");
    const part = await killed(folder, given, "named");
    await using file = await PartFile.open(folder, given, { part });
    expect([file.finished, fromUtf8(await file.read(0, file.bytes))]).toEqual([join(folder, saved), "the whole"]);
    await expect(file.write(0, utf8("x"))).rejects.toThrow("already");
    const told: string[] = [];
    expect(await file.finish((path) => told.push(path))).toBe(join(folder, saved));
    expect([told, existsSync(join(folder, part))]).toEqual([[join(folder, saved)], false]);
    expect(text(join(folder, saved))).toBe("the whole");
  });

  it("is told from one whose file was since moved away: that one begins anew", async () => {
    const folder = newFolder();
    const part = await killed(folder, "a", "named");
    fs.renameSync(join(folder, "a"), join(folder, "my own"));
    await using file = await PartFile.open(folder, "a", { part });
    expect([file.finished, file.bytes]).toEqual([undefined, 0]);
  });
});

describe("what the record says of a file", () => {
  it("is told when it has its name and the part is there, and the part stays if that fails", async () => {
    const folder = newFolder();
    const file = await PartFile.open(folder, "name");
    const fail = (path: string) => {
      expect(readdirSync(folder).sort()).toEqual([file.part, basename(path)].sort());
      throw new Error("no claim");
    };
    await expect(file.finish(fail)).rejects.toThrow("no claim");
    expect((await PartFile.open(folder, "name", { part: file.part })).finished).toBe(join(folder, "name"));
    await file.discard();
    expect(readdirSync(folder)).toEqual(["name"]);
  });
});

describe("a disk", () => {
  it("says how much room it has, and that it is full", async ({ skip }) => {
    using disk = smallDisk("64k") ?? skip("no right to mount a small disk");
    // A twentieth is left to others.
    const left = 65_536 / 20;
    expect(await roomIn(disk.path)).toBe(65_536 - left);
    await using file = await PartFile.open(disk.path, "name");
    await expect(file.write(0, new Uint8Array(100_000))).rejects.toMatchObject({ code: "ENOSPC" });
    expect([file.bytes, await roomIn(disk.path)]).toEqual([65_536, -left]);
    await file.discard();
    expect([readdirSync(disk.path), await roomIn(disk.path)]).toEqual([[], 65_536 - left]);
  });

  it("finds no folder, and says so", async () => {
    await expect(roomIn(join(newFolder(), "none"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe.skipIf(!isRoot)("root in the folder of another user", () => {
  it("makes what is that user's, goes on with it, and reaches nothing that the user does not", async () => {
    const root = newFolder();
    chmodSync(root, 0o755);
    const folder = join(root, "theirs");
    mkdirSync(folder, 0o700);
    chownSync(folder, OTHER, OTHER);
    const part = await leave(folder);
    expect(statSync(join(folder, part))).toMatchObject({ uid: OTHER, gid: OTHER });
    await using file = await PartFile.open(folder, "name", { part });
    expect(file.bytes).toBe(5);
    const path = await file.finish();
    expect([text(path), modeOf(path), readdirSync(folder)]).toEqual(["begun", "600", ["name"]]);
    expect(statSync(path)).toMatchObject({ uid: OTHER, gid: OTHER });
    // A part that is root's own is no part of that user's.
    const roots = await leave(root);
    fs.renameSync(join(root, roots), join(folder, roots));
    await using another = await PartFile.open(folder, "name", { part: roots });
    expect([another.bytes, process.geteuid?.()]).toEqual([0, 0]);
  });
});
