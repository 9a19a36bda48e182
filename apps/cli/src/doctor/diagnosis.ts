import type { Finding } from './check.js';

/** What one check found. */
export interface Examined {
  readonly id: string;
  readonly title: string;
  readonly findings: readonly Finding[];
}

/** A finding that another one explains. */
export interface Follower {
  readonly id: string;
  readonly title: string;
  readonly what: string;
}

/** A finding that no other explains. */
export interface Cause {
  readonly id: string;
  readonly title: string;
  readonly severity: Finding['severity'];
  readonly what: string;
  readonly fix: string;
  /** What is wrong because of it, and needs no command. */
  readonly follows: readonly Follower[];
}

/** What is wrong with a site. */
export interface Diagnosis {
  /** What to mend, in this order: errors before warnings before notes, and among them what others depend on first. */
  readonly causes: readonly Cause[];
  /** Checks that found nothing. */
  readonly passed: readonly Omit<Examined, 'findings'>[];
}

const ranks = { error: 0, warning: 1, note: 2 } as const;

interface Placed extends Finding {
  readonly id: string;
  readonly title: string;
}

/**
 * Puts findings in order: each cause once, with what follows from it below.
 *
 * @param examined in the order in which the parts of a site depend on each other
 */
export function diagnose(examined: readonly Examined[]): Diagnosis {
  const placed: Placed[] = examined.flatMap(({ id, title, findings }) =>
    findings.map((finding) => ({ ...finding, id, title })),
  );
  const causeOf = new Map(placed.map((finding) => [finding, rootOf(finding, placed)]));
  const causes = placed
    .filter((finding) => causeOf.get(finding) === finding)
    .toSorted((one, other) => ranks[one.severity] - ranks[other.severity])
    .map((cause) =>
      described(
        cause,
        placed.filter((finding) => finding !== cause && causeOf.get(finding) === cause),
      ),
    );
  const passed = examined.filter(({ findings }) => findings.length === 0).map(({ id, title }) => ({ id, title }));
  return { causes, passed };
}

/** The finding at the end of the chain of explanations; itself when nothing explains it. */
function rootOf(finding: Placed, all: readonly Placed[]): Placed {
  const chain: Placed[] = [];
  let next: Placed | undefined = finding;
  while (next !== undefined && !chain.includes(next)) {
    chain.push(next);
    next = explanationOf(next, all);
  }
  if (next === undefined) return chain.at(-1) ?? finding;
  // Some explain each other: the one of them that was found first is the cause, for all alike.
  const circle = chain.slice(chain.indexOf(next));
  return all.find((each) => circle.includes(each)) ?? finding;
}

function explanationOf(finding: Placed, all: readonly Placed[]): Placed | undefined {
  const { needs = [] } = finding;
  return all.find(
    (other) =>
      other !== finding &&
      ranks[other.severity] <= ranks[finding.severity] &&
      other.breaks?.some((part) => needs.includes(part) && finding.breaks?.includes(part) !== true) === true,
  );
}

function described({ id, title, severity, what, fix }: Placed, followers: readonly Placed[]): Cause {
  const follows = followers.map((follower) => ({ id: follower.id, title: follower.title, what: follower.what }));
  return { id, title, severity, what, fix, follows };
}
