import { expect, test } from "vitest";
import { builtCli, builtRelay } from "../built.ts";
import { freePort, Program, temporaryFolder } from "./processes.ts";
import { eventually } from "../waiting.ts";

test("Ctrl+C ends a listener whose relay neither answers nor closes", { tags: ["long"] }, async () => {
  using folder = temporaryFolder();
  const port = await freePort();
  const agent = ["--home", `${folder.path}/home`, "-u", "alice", "-s", `ws://127.0.0.1:${port}`];
  const relay = new Program([builtRelay(), "--port", String(port), "--db", `${folder.path}/data`]);
  const listener = new Program([builtCli(), ...agent, "listen"]);
  try {
    relay.start();
    await eventually("the relay starts", () => relay.lines.some((line) => line.startsWith("Health check")));
    const register = new Program([builtCli(), ...agent, "register"]);
    register.start();
    expect(await register.exited()).toBe(0);
    listener.start();
    await eventually("it listens", async () => {
      const metrics = await fetch(`http://127.0.0.1:${port}/metrics`);
      return /^aimessage_frames_total\{type="listen"\} [1-9]/m.test(await metrics.text());
    });
    process.kill(relay.pid, "SIGSTOP");
    await listener.end("SIGINT");
    expect(listener.exitCode).toBe(130);
  } finally {
    for (const program of [listener, relay]) await program.end("SIGKILL");
  }
});
