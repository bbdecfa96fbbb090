/** The page of `aimessage console`: agents of this machine, by the process that has opened them. */
import { HttpBack } from "./http-back.ts";
import { open } from "./open.tsx";

await open(() => HttpBack.open());
