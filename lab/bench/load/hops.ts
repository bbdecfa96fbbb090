/** Floor of a round trip: two exchanges of a text with a bare server, one after the other. */
import { onSocket } from "../../shared/load-socket.ts";
import { serve } from "../../shared/serve.ts";

const PROBE = { type: "send", id: "1", data: { to: "receiver", message: "x".repeat(600) } };

serve({ hops });

/** @returns milliseconds of each pair of exchanges */
async function hops({ port, seconds }: { port: number; seconds: number }): Promise<number[]> {
  const took: number[] = [];
  await onSocket(port, async (socket) => {
    for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
      const started = performance.now();
      await socket.ask(PROBE);
      await socket.ask(PROBE);
      took.push(performance.now() - started);
    }
  });
  return took;
}
