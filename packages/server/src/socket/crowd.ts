import { networksOf } from "./request.ts";
import { Shares } from "./shares.ts";

/** A connection in a crowd. */
export interface Member {
  readonly address: string;
  /** Ends it at once. */
  terminate(): void;
}

/**
 * Connections of which there may only be so many. One too many has another of whoever has most of them give way, so that no few
 * addresses keep everybody else out. [P-1.4]
 */
export type Crowd = Shares<Member>;

/** @param onEnd Told of each that gives way. */
export function crowd(bounds: { most: number; share: number; between: "oldest" | "newest" }, onEnd: () => void): Crowd {
  return new Shares({
    ...bounds,
    ownersOf: ({ address }) => networksOf(address),
    end: (member) => {
      onEnd();
      member.terminate();
    },
  });
}
