/** Root at work in the folder of another user: as that user, so that nothing that is there leads it elsewhere. */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asOwnerOf } from "@aimessage/sdk/program";
import { describe, expect, it } from "vitest";
import { newFolder } from "../store/folder.ts";

const isRoot = process.geteuid?.() === 0;
const OTHER = 12_345;
const STRANGER = 23_456;

/** A folder of another user, in one that all may enter, beside a file that only root may read. */
function anothersFolder() {
  const root = newFolder();
  chmodSync(root, 0o755);
  const folder = join(root, "theirs");
  mkdirSync(folder, 0o700);
  chownSync(folder, OTHER, OTHER);
  writeFileSync(join(root, "secret"), "of root", { mode: 0o600 });
  return { root, folder };
}

describe.skipIf(!isRoot)("root in the folder of another user", () => {
  it("reads and writes by no link what that user may not, and gives it what it makes", () => {
    const { root, folder } = anothersFolder();
    symlinkSync(join(root, "secret"), join(folder, "link"));
    asOwnerOf(folder, () => {
      expect(() => readFileSync(join(folder, "link"))).toThrow("EACCES");
      expect(() => writeFileSync(join(folder, "link"), "x")).toThrow("EACCES");
      expect(() => chmodSync(join(folder, "link"), 0o644)).toThrow("EPERM");
      writeFileSync(join(folder, "new"), "text");
    });
    expect(statSync(join(folder, "new"))).toMatchObject({ uid: OTHER, gid: OTHER });
    expect(readFileSync(join(root, "secret"), "utf8")).toBe("of root");
  });

  it("is root again afterwards, whatever happened", () => {
    const { root, folder } = anothersFolder();
    const groups = process.getgroups?.();
    expect(() =>
      asOwnerOf(folder, () => {
        throw new Error("failed");
      }),
    ).toThrow("failed");
    expect([process.geteuid?.(), process.getegid?.(), process.getgroups?.()]).toEqual([0, 0, groups]);
    expect(readFileSync(join(root, "secret"), "utf8")).toBe("of root");
  });

  it("makes a folder that is not there as the owner of the one around it", () => {
    const { folder } = anothersFolder();
    const nested = join(folder, "a", "b");
    asOwnerOf(nested, () => mkdirSync(nested, { recursive: true }));
    expect(statSync(nested).uid).toBe(OTHER);
  });

  it("goes by no link of one user to the folder of another, and by those of root and of the folder's owner", () => {
    const { root, folder } = anothersFolder();
    const strangers = join(root, "strangers");
    mkdirSync(strangers);
    chownSync(strangers, STRANGER, STRANGER);
    for (const [name, uid] of [
      ["roots", 0],
      ["owners", OTHER],
      ["strangers", STRANGER],
    ] as const) {
      const link = join(strangers, name);
      asOwnerOf(strangers, () => symlinkSync(folder, link));
      spawnSync("chown", ["-h", `${uid}`, link]);
      const at = () => asOwnerOf(join(link, "deeper"), () => process.geteuid?.());
      if (uid === STRANGER) expect(at).toThrow(expect.objectContaining({ code: "ELOOP" }));
      else expect(at()).toBe(OTHER);
    }
  });

  it("stays root in its own", () => {
    expect(asOwnerOf(newFolder(), () => process.geteuid?.())).toBe(0);
  });

  it("can become that user for good", () => {
    const { root, folder } = anothersFolder();
    const script = `
      const { becomeOwnerOf } = await import("@aimessage/sdk/program");
      const { readFileSync } = await import("node:fs");
      becomeOwnerOf(${JSON.stringify(folder)});
      const attempts = [() => process.setuid(0), () => readFileSync(${JSON.stringify(join(root, "secret"))})];
      const codes = attempts.map((attempt) => { try { attempt(); } catch ({ code }) { return code; } });
      console.log(JSON.stringify([process.getuid(), process.getgid(), process.getgroups(), codes]));`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--conditions=@aimessage/source", "--input-type=module", "--eval", script],
      { cwd: new URL("..", import.meta.url), encoding: "utf8" },
    );
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([OTHER, OTHER, [OTHER], ["EPERM", "EACCES"]]);
  });
});
