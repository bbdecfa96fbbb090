/** The pod of deploy/kubernetes.yaml and the image of the Dockerfile, as far as they can be tried without a cluster. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { builtRelay } from "../../../test/built.ts";
import { readConfig } from "../src/config/config.ts";
import { folder } from "./folder.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const pod = readFileSync(join(root, "deploy/kubernetes.yaml"), "utf8");
const image = readFileSync(join(root, "Dockerfile"), "utf8");
const MAIN = join(root, "packages/server/bin/aimessage-server.js");

const value = (key: string): string => new RegExp(`^ *(?:- )?${key}: "?([^"\n]+)"?$`, "m").exec(pod)?.[1] ?? "";
const ids = { uid: Number(value("runAsUser")), gid: Number(value("fsGroup")) };

/** What the image sets, and the pod on top of it. */
const environment = Object.fromEntries([
  ...(/^ENV (.*)$/m.exec(image)?.[1] ?? "").split(" ").map((pair) => pair.split("=")),
  ...[...pod.matchAll(/- name: ([A-Z_]+)\n +value: "?([^"\n]+)"?/g)].map(([, name, text]) => [name, text]),
]) as Record<string, string>;

test("the image runs as a user by number, which Kubernetes can tell from root, and the pod as the same one", () => {
  const [, uid] = /^USER (\d+):\d+$/m.exec(image) ?? [];
  expect([Number(uid), value("runAsNonRoot")]).toEqual([ids.uid, "true"]);
  expect(ids.uid).toBeGreaterThan(0);
});

test("the pod's settings are those of a relay for others, on its volume", () => {
  expect(readConfig([], environment)).toMatchObject({
    host: "0.0.0.0",
    port: Number(value("containerPort")),
    db: value("mountPath"),
    publicUrls: [value("value")],
    trustProxy: true,
    log: "json",
  });
});

/** Whether another user may read this clone. */
const readable = spawnSync("test", ["-r", MAIN], ids).status === 0;

test.runIf(process.getuid?.() === 0 && readable)(
  "the pod's user serves on a volume that is root's and open to its group, and starts again on what it has left",
  async () => {
    const volume = join(folder(), "volume");
    chmodSync(join(volume, ".."), 0o755);
    mkdirSync(volume);
    chownSync(volume, 0, ids.gid);
    chmodSync(volume, 0o2775);
    for (let start = 0; start < 2; start++) {
      const child = spawn(process.execPath, [builtRelay(), "--port", "0", "--host", "127.0.0.1"], {
        ...ids,
        cwd: "/",
        env: { ...environment, DB_PATH: volume },
        stdio: ["ignore", "pipe", "inherit"],
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      let said = "";
      child.stdout.on("data", (data: Buffer) => (said += data.toString()));
      while (!/Health check/.test(said)) await once(child.stdout, "data");
      const port = /starting on :(\d+)/.exec(said)?.[1];
      for (const path of [...pod.matchAll(/path: (\/\w+)/g)].map(([, path]) => path))
        expect((await fetch(`http://127.0.0.1:${port}${path}`)).status, path).toBe(200);
      child.kill("SIGTERM");
      expect((await once(child, "close"))[0]).toBe(0);
    }
    expect((statSync(volume).mode & 0o7777).toString(8)).toBe("2775");
    for (const name of readdirSync(volume))
      expect([name, statSync(join(volume, name)).mode & 0o007]).toEqual([name, 0]);
  },
);
