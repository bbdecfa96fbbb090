/** The page: agents at the left, one view of one of them beside. */
import type { ComponentType, JSX, TargetedMouseEvent } from "preact";
import { useEffect } from "preact/hooks";
import type { AgentView } from "../back/port.ts";
import { ProblemBox } from "./parts/problem.tsx";
import { LinkDialog } from "./parts/text.tsx";
import { visible } from "./parts/words.ts";
import { agent, agents, announced, hrefOf, outage, place, problem, route, type View } from "./state.ts";
import { Groups } from "./views/groups.tsx";
import { Place } from "./views/place.tsx";
import { Health } from "./views/health.tsx";
import { Search } from "./views/search.tsx";
import { Talk } from "./views/talk.tsx";
import { Todo } from "./views/todo.tsx";
import { Verify } from "./views/verify.tsx";

/** Views of one agent. */
const views: Record<Exclude<View, "place">, { title: string; of: ComponentType<{ agent: string }> }> = {
  talk: { title: "Conversations", of: Talk },
  todo: { title: "To do", of: Todo },
  verify: { title: "Verify", of: Verify },
  groups: { title: "Groups", of: Groups },
  search: { title: "Search", of: Search },
  health: { title: "Health", of: Health },
};

export function App(): JSX.Element {
  const shown = agent.value;
  const { view } = route.value;
  const { title } = view === "place" ? { title: "Agents in this browser" } : views[view];
  const unread = agents.value?.reduce((sum, each) => sum + each.unread, 0) ?? 0;
  const heading = `${unread > 0 ? `(${unread}) ` : ""}${shown === undefined ? title : `${shown.name}: ${title}`} - AI Message`;
  useEffect(() => void (document.title = heading), [heading]);
  return (
    <div class={`app ${route.value.view === "talk" && route.value.with !== undefined ? "deep" : ""}`}>
      <a class="skip" href="#main" onClick={(event) => skip(event)}>
        To the content
      </a>
      <Agents />
      <main id="main" tabIndex={-1} aria-label={shown === undefined ? title : `${shown.name}: ${title}`}>
        <div class="notices">
          {outage.value !== undefined && <ProblemBox problem={outage.value} />}
          {shown?.link.problem !== undefined && <ProblemBox problem={shown.link.problem} />}
          {problem.value !== undefined && (
            <ProblemBox problem={problem.value}>
              <button type="button" class="quiet" onClick={() => (problem.value = undefined)}>
                Close
              </button>
            </ProblemBox>
          )}
        </div>
        <Content />
      </main>
      <LinkDialog />
      <p class="unseen" role="status" aria-live="polite">
        {announced.value}
      </p>
    </div>
  );
}

function Content(): JSX.Element | null {
  const shown = agent.value;
  const { view } = route.value;
  if (view === "place") return <Place />;
  if (shown === undefined) return agents.value === undefined ? null : <p class="empty">There is no such agent here.</p>;
  if (shown.problem !== undefined) return <ProblemBox problem={shown.problem} />;
  const { of: Shown } = views[view];
  return <Shown key={shown.name} agent={shown.name} />;
}

/** The address says where one is, so that it is not changed for a jump within the page. */
function skip(event: TargetedMouseEvent<HTMLAnchorElement>): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("#main")?.focus();
}

function Agents(): JSX.Element {
  return (
    <nav class="agents" aria-label="Agents">
      <h1>AI Message</h1>
      {agents.value === undefined && <p class="empty">Looking</p>}
      {agents.value?.map((each) => (
        <One key={each.name} agent={each} />
      ))}
      {place.value !== undefined && (
        <a href={hrefOf({ view: "place" })} aria-current={route.value.view === "place" ? "page" : undefined}>
          Agents in this browser
        </a>
      )}
      <p class="meta keys">
        <kbd>j</kbd> <kbd>k</kbd> move, <kbd>r</kbd> reply, <kbd>/</kbd> search, <kbd>Esc</kbd> leave
      </p>
    </nav>
  );
}

function One({ agent: each }: { agent: AgentView }): JSX.Element {
  const isCurrent = each.name === route.value.agent;
  const todo = each.decisions + each.questions + each.dead + each.stuck;
  return (
    <section aria-label={each.name} class={isCurrent ? "agent current" : "agent"}>
      <h2>
        <a href={hrefOf({ agent: each.name, view: "talk" })}>{visible(each.name)}</a>
        <LinkDot agent={each} />
      </h2>
      <p class="counts">
        <Count
          of={each.unread}
          word="unread"
          means="Came, and nobody has handled them yet: neither a program nor you"
        />
        <Count of={each.questions} word="asked" means="Of the unread ones: they expect a reply" />
        <Count of={each.stuck} word="stuck" means="Sent, and not at the relay yet" />
        <Count of={each.dead} word="dead" means="Came, and a program here has given them up" />
        <Count of={each.decisions} word="to decide" means="Requests, invitations, changed keys and pairings" />
      </p>
      {isCurrent && each.problem === undefined && (
        <ul>
          {(Object.keys(views) as (keyof typeof views)[]).map((view) => (
            <li key={view}>
              <a
                href={hrefOf({ agent: each.name, view })}
                aria-current={view === route.value.view ? "page" : undefined}
              >
                {views[view].title}
                {view === "todo" && todo > 0 && <span class="count">{todo}</span>}
                {view === "talk" && each.unread > 0 && <span class="count">{each.unread}</span>}
              </a>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Count({ of, word, means }: { of: number; word: string; means: string }): JSX.Element | null {
  return of === 0 ? null : (
    <span title={means}>
      {of} {word}
    </span>
  );
}

const LINKS: Record<AgentView["link"]["state"], string> = {
  connected: "connected to its relay",
  reconnecting: "no way to its relay",
  waiting: "another process talks to its relay",
  unknown: "its link is not known yet",
  ended: "its link has ended",
};

function LinkDot({ agent: { link, problem: why } }: { agent: AgentView }): JSX.Element {
  const text = why === undefined ? LINKS[link.state] : "cannot be opened";
  return <span class={`dot ${why === undefined ? link.state : "ended"}`} role="img" aria-label={text} title={text} />;
}
