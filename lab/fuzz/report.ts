import type { FuzzReport } from "./run.ts";

/** A report for people. */
export function table({ seed, seconds, counts, http, files, latency, honest, memory, refusals }: FuzzReport): string {
  const share = (count: number): string => `${Math.round((100 * count) / counts.frames)} %`;
  const kinds = Object.entries(counts.kinds).map(([kind, count]) => `${kind} ${count}`);
  const reasons = Object.entries(refusals).map(([reason, count]) => `${reason} ${count}`);
  return [
    `seed           ${seed}`,
    `frames         ${counts.frames} in ${seconds.toFixed(1)} s on ${counts.opened} connections`,
    `readable       ${share(counts.readable)}; and of accounts that are logged in ${share(counts.plausible)}`,
    `kinds          ${kinds.join(", ")}`,
    `refusals       ${reasons.join(", ")}`,
    `files          ${http.requests} requests, ${http.compared} files compared; of the honest uploader ${files}`,
    `answers        ${Object.entries(http.statuses)
      .map(([status, count]) => `${status} ${count}`)
      .join(", ")}`,
    `memory         ${memory.join(", ")} MiB by quarters`,
    `honest pair    ${honest.sent} sent, ${honest.stored} stored, ${honest.received} received, in order`,
    "its latency    by tenths, p50 and p99 in ms:",
    ...latency.map(
      ({ p50, p99, count }) => `  ${p50.toFixed(1).padStart(8)} ${p99.toFixed(1).padStart(8)}  of ${count}`,
    ),
    "no violation",
    "",
  ].join("\n");
}
