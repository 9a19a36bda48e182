import { type EntranceDescription, entranceDefinition, type SecurityLevel, securityLevel } from '@sallyport/protocol';
import { reachableHost, takesConnections } from '../../secure/probe.js';
import { type SecuredGroup, securedGroups } from '../../site/secured-group.js';
import { type Check, error, type Finding } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** Each listener is at the level its settings say, shows the certificate its files hold, and can be reached. */
export const listeners: Check = {
  id: 'listeners',
  title: 'listeners',
  run: async (checked) => {
    const entrances = checked.services.flatMap((state) => (state.isRunning ? state.entrances : []));
    const findings = await Promise.all(entrances.map((entrance) => inspect(checked, entrance)));
    return findings.flat();
  },
};

async function inspect(checked: CheckedSite, entrance: EntranceDescription): Promise<Finding[]> {
  const secured = securedGroups.find(({ group }) => group === entrance.group);
  const level = secured === undefined ? entrance.level : levelIn(checked, secured, entrance.profile);
  const { remedies } = checked;
  const service = entranceDefinition(entrance.group).service;
  const relations = {
    breaks: [`listener ${entrance.group}`],
    needs: [`service ${service}`, 'start', 'clock'],
  } as const;
  if (entrance.shutReason !== undefined)
    return [error(entrance.shutReason, remedies.secure(entrance.level), relations)];
  // An entrance that needs client certificates stays closed below level mutual, on purpose.
  if (!entrance.isOpen && level !== 'mutual') return [];
  if (!entrance.isOpen || entrance.level !== level)
    return [
      error(
        `The listener for ${entrance.name} is ${entrance.isOpen ? `at level ${entrance.level}` : 'closed'}, and its settings say ${level}.`,
        // Lost settings must not take a listener down, so the command leads to the higher of the two levels.
        remedies.secure(entrance.isOpen ? higher(entrance.level, level) : level),
        { ...relations, needs: [...relations.needs, `listener ${entrance.group}`] },
      ),
    ];
  const moved = movedFinding(checked, entrance);
  if (moved !== undefined) return [moved];
  const target = { host: reachableHost(entrance.host), port: entrance.port };
  if (await takesConnections(target)) return [];
  return [
    error(
      `Nothing answers at ${target.host}:${target.port}, where ${entrance.name} should be.`,
      remedies.startServices(),
      relations,
    ),
  ];
}

function higher(one: SecurityLevel, other: SecurityLevel): SecurityLevel {
  return securityLevel.options.indexOf(one) > securityLevel.options.indexOf(other) ? one : other;
}

/** Where programs of this machine look for a listener. */
const clientPorts = { http: 'http.client.port', mqtt: 'mqtt.client.port' } as const;

/** Services read their ports when they start, and programs that follow the settings look at the new one. */
function movedFinding({ site, remedies }: CheckedSite, entrance: EntranceDescription): Finding | undefined {
  const { group, name, port } = entrance;
  if (group !== 'http' && group !== 'mqtt') return undefined;
  const portKey = `${group}.bind.port` as const;
  const set = site.settings.require(portKey);
  if (set === port || set !== site.settings.get(clientPorts[group])) return undefined;
  const what = `The listener for ${name} is at port ${port}, and its settings say ${set} (${portKey}). A service reads its ports when it starts. Stop the services, and start them again.`;
  return error(what, remedies.startServices(), {
    breaks: [`listener ${group}`],
    needs: [`service ${entranceDefinition(group).service}`, 'start'],
  });
}

function levelIn({ site }: CheckedSite, { keys }: SecuredGroup, profile: string | undefined): SecurityLevel {
  const own = site.settings.ofProfile(profile);
  // A profile for which none of the three is set has those from outside of profiles.
  const isOwn = Object.values(keys).some((key) => own.get(key) !== undefined);
  const settings = isOwn ? own : site.settings;
  if (settings.get(keys.cert) === undefined) return 'plain';
  return settings.get(keys.ca) === undefined ? 'server' : 'mutual';
}
