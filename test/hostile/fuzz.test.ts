import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { fuzz } from "../../lab/fuzz/run.ts";

test(
  "frames and requests of all kinds are answered, harm nobody, and leave a sound store",
  { tags: ["long"] },
  async () => {
    const seed = Number(process.env["SEED"] ?? randomInt(2 ** 31));
    console.log(`SEED=${seed}`);
    const report = await fuzz({ frames: 5_000, seed, connections: 12, progress: () => {} });
    expect(report.counts.frames).toBe(5_000);
    expect(report.counts.plausible).toBeGreaterThan(2_500);
    expect(report.http.requests).toBeGreaterThanOrEqual(500);
    expect(Math.min(report.http.compared, report.files)).toBeGreaterThan(10);
    expect(report.honest).toMatchObject({ stored: report.honest.sent, received: report.honest.sent, wrong: [] });
  },
);
