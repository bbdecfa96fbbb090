import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Config } from "../config/config.ts";
import { Buckets } from "./rate-limit.ts";
import { addressOf, networksOf, originAllowed } from "./request.ts";
import { Shares } from "./shares.ts";

/** A file that comes or goes. */
interface Transfer {
  owners: string[];
  refuse: () => void;
}

interface TransfersOptions {
  /** How many this process may have files open for, if the system says so. */
  most: number | undefined;
  names: () => string[];
  /** Told of a socket that has asked by a token. @returns what is called when that is answered: it may ask for something else */
  admitted: (socket: Duplex) => () => void;
  /** Told of the address of one for which there is no room. */
  onRefused: (address: string) => void;
}

/**
 * Bounds the requests by which files come and go: how many there are at a time, of all, of each account that brings some and of each
 * file that is fetched; how often one may be asked for; how long one may be silent. [P-14.6]
 */
export function transfers(config: Config, { most, names, admitted, onRefused }: TransfersOptions) {
  const { limits, origins, trustProxy } = config;
  const rates = new Buckets(limits.framesPerSecond, limits.framesBurst);
  // Of one owner the newest is refused, and comes again: an older one would begin anew. Where all places are taken, whoever has most loses its newest.
  const open = new Shares<Transfer>({
    most: Math.min(limits.transfers, most ?? limits.transfers),
    share: limits.accountTransfers,
    ownersOf: ({ owners }) => owners,
    between: "newest",
    end: (transfer) => transfer.refuse(),
  });
  return {
    mayAsk: (origin: string | undefined): boolean => originAllowed(origin, origins, names()),
    rate: (id: string): number => rates.take(id),
    /** Lets a request take its time. `owner`: for whom it counts. @returns false if there is no room for it */
    admit: (request: IncomingMessage, response: ServerResponse, owner: string): boolean => {
      const { socket } = request;
      // Nothing would say any more that it has ended.
      if (response.closed || socket.destroyed) return false;
      const address = addressOf(request, trustProxy);
      let isAdmitted = false;
      let isRefused = false;
      const refuse = (): void => {
        isRefused = true;
        if (isAdmitted) socket.destroy();
      };
      const transfer = { owners: [owner, ...networksOf(address)], refuse };
      open.hold(transfer, 1);
      if (isRefused) {
        onRefused(address);
        return false;
      }
      isAdmitted = true;
      const answered = admitted(socket);
      const heard = endIfSilent(socket, limits.readDeadline);
      response.once("close", () => {
        open.hold(transfer, 0);
        heard();
        answered();
      });
      return true;
    },
  };
}

/** Ends a socket on which nothing moves for so long: it is dead, or holds a place for nothing. Milliseconds. @returns what ends this */
function endIfSilent(socket: Socket, milliseconds: number): () => void {
  let before = -1;
  let since = performance.now();
  const timer = setInterval(() => {
    // What is written, and not taken by the system, has not moved.
    const moved = socket.bytesRead + socket.bytesWritten - socket.writableLength;
    if (moved !== before) [before, since] = [moved, performance.now()];
    else if (performance.now() - since >= milliseconds) socket.destroy();
  }, milliseconds / 4);
  timer.unref();
  return () => clearInterval(timer);
}
