/** The page of `aimessage console`: agents of this machine, by the process that has opened them. */
import { render } from "preact";
import { App } from "./app.tsx";
import { HttpBack } from "./http-back.ts";
import { listenForKeys } from "./keys.ts";
import { ProblemBox } from "./parts/problem.tsx";
import { explained, go, route, start } from "./state.ts";

const root = document.querySelector("#app") ?? document.body;

try {
  const back = await HttpBack.open();
  listenForKeys(
    () => go({ view: "search" }),
    () => go({ view: "talk", ...(route.value.view === "talk" ? {} : { with: route.value.with }) }),
  );
  render(<App />, root);
  await start(back);
} catch (error) {
  render(<ProblemBox problem={explained(error)} />, root);
}
