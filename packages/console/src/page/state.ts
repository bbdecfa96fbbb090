/** What the page knows, and where in it one is. */
import { computed, effect, signal } from "@preact/signals";
import { type AgentView, type Back, ENDED, type Problem } from "../back/port.ts";

export type View = "talk" | "todo" | "verify" | "groups" | "search" | "health" | "place";

/** Which agent, which view, and in conversations with whom, and which message there. */
export interface Route {
  agent: string | undefined;
  view: View;
  with: string | undefined;
  at: string | undefined;
}

const VIEWS: readonly string[] = ["talk", "todo", "verify", "groups", "search", "health", "place"];
/** A place that cannot be reached is tried again. Milliseconds. */
const AGAIN_MS = 1_000;

/** What can be done with agents that live in this browser; undefined where they live elsewhere. */
export interface Place {
  /** Whether the browser has promised to keep what is stored. */
  isKept: boolean | undefined;
  /** The URL of the relay, where another one than who serves the page. */
  relay: string | undefined;
  register: (name: string, invite: string | undefined) => Promise<boolean>;
  restore: (sealed: string, passphrase: string) => Promise<{ name: string; isKept: boolean }>;
  backup: (name: string, passphrase: string) => Promise<string>;
  remove: (name: string) => Promise<void>;
}
export const place = signal<Place | undefined>(undefined);

export const back = signal<Back | undefined>(undefined);
/** Undefined until they are known. */
export const agents = signal<AgentView[] | undefined>(undefined);
export const route = signal<Route>(routeOf(location.hash));
/** What could not be done last. */
export const problem = signal<Problem | undefined>(undefined);
/** There is no way to the agents just now, or none any more. */
export const outage = signal<Problem | undefined>(undefined);
/** What is said to those who do not see it. */
export const announced = signal("");
/** Counts changes of the agent that is shown. */
export const revision = signal(0);

export const agent = computed(() => agents.value?.find(({ name }) => name === route.value.agent));

function routeOf(hash: string): Route {
  const [, name = "", view = "", who = "", at = ""] = hash.split("/").map((part) => decode(part.replace(/^#/, "")));
  return {
    agent: name === "" ? undefined : name.toLowerCase(),
    view: VIEWS.includes(view) ? (view as View) : "talk",
    with: who === "" ? undefined : who,
    at: at === "" ? undefined : at,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** The address of a place in the page. */
export function hrefOf({
  agent: name = route.value.agent,
  view,
  with: who,
  at,
}: Partial<Route> & { view: View }): string {
  const parts = [name ?? "", view, who, at].filter((part) => part !== undefined);
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function go(to: Partial<Route> & { view: View }): void {
  location.hash = hrefOf(to);
}

/** Does something, and says what is wrong with it. @returns undefined where something is */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    const value = await work();
    problem.value = undefined;
    return value;
  } catch (error) {
    problem.value = explained(error);
    return undefined;
  }
}

export function explained(error: unknown): Problem {
  if (!(error instanceof Error)) return { code: "internal", message: String(error) };
  // Of the port, or of the SDK, which has the same fields.
  const { code, hint, message } = error as Error & { code?: unknown; hint?: unknown };
  return {
    code: typeof code === "string" ? code : "internal",
    message,
    ...(typeof hint === "string" ? { hint } : {}),
  };
}

/** Begins: follows addresses, and what changes. */
export async function start(from: Back): Promise<void> {
  back.value = from;
  addEventListener("hashchange", () => (route.value = routeOf(location.hash)));
  await refresh(from);
  effect(() => {
    // Another agent is shown: all that is known is of the one before.
    void route.value.agent;
    revision.value = revision.peek() + 1;
  });
  for (;;) {
    try {
      for await (const name of from.changes(new AbortController().signal)) {
        // What is looked at first: counts can be a moment late.
        if (name === "" || name === route.value.agent) revision.value += 1;
        await look(from);
      }
    } catch (error) {
      outage.value = explained(error);
      clearTimeout(lookingAgain);
      if (outage.value.code === ENDED) return;
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

let lookingAgain: ReturnType<typeof setTimeout> | undefined;

/** Looks, and again by and by where that fails. That is no end: of one the changes tell. */
async function look(from: Back): Promise<void> {
  clearTimeout(lookingAgain);
  try {
    await refresh(from);
    outage.value = undefined;
  } catch (error) {
    outage.value = explained(error);
    if (outage.value.code !== ENDED) lookingAgain = setTimeout(() => void look(from), AGAIN_MS);
  }
}

/** The same once more is to be heard once more. */
function announce(text: string): void {
  announced.value = announced.peek() === text ? `${text}\u200b` : text;
}

/** Looks anew which agents there are. */
export async function refreshAgents(): Promise<void> {
  if (back.value !== undefined) await refresh(back.value);
}

async function refresh(from: Back): Promise<void> {
  const before = new Map(agents.value?.map((each) => [each.name, each]));
  const now = await from.call("agents", {});
  agents.value = now;
  const [only] = now;
  if (only === undefined && place.value !== undefined && route.value.view !== "place") go({ agent: "", view: "place" });
  if (route.value.agent === undefined && only !== undefined && route.value.view !== "place")
    location.replace(hrefOf({ agent: only.name, view: "talk" }));
  for (const { name, unread } of now) {
    const more = unread - (before.get(name)?.unread ?? unread);
    if (more > 0) announce(`${name}: ${more === 1 ? "a new message" : `${more} new messages`}`);
  }
}
