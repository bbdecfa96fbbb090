import { render } from "preact";
import type { Back } from "../back/port.ts";
import { App } from "./app.tsx";
import { listenForKeys } from "./keys.ts";
import { ProblemBox } from "./parts/problem.tsx";
import { explained, go, route, start } from "./state.ts";

/** Draws the page over a back, and what is wrong where there is none. */
export async function open(reach: () => Promise<Back>): Promise<void> {
  const root = document.querySelector("#app") ?? document.body;
  try {
    const back = await reach();
    listenForKeys(
      () => go({ view: "search" }),
      () => go({ view: "talk", ...(route.value.view === "talk" ? {} : { with: route.value.with }) }),
    );
    render(<App />, root);
    await start(back);
  } catch (error) {
    render(<ProblemBox problem={explained(error)} />, root);
  }
}
