import { type ConnectorSettings, Problem, type ResourceDefinition } from '@sallyport/protocol';

/** The schema of the values of a connector's devices, by alias. */
export type Resources = ConnectorSettings['resources'];

/** Whether values of this alias are kept. A connector without a schema keeps all. */
export function isListed(resources: Resources, alias: string): boolean {
  return hasNoSchema(resources) || definitionOf(resources, alias) !== undefined;
}

/** Guards a desired value. @throws Problem `invalid-request` */
export function checkSettable(resources: Resources, alias: string, value: string): void {
  if (hasNoSchema(resources)) return;
  const name = JSON.stringify(alias);
  const definition = definitionOf(resources, alias);
  if (definition === undefined) throw invalid(`The connector has no resource ${name}. Add it, or use another alias.`);
  if (!definition.settable) throw invalid(`The resource ${name} is not settable: only the device writes it.`);
  if (!hasFormat(definition.format, value))
    throw invalid(`The value of ${name} is no ${definition.format}. Send a ${definition.format}.`);
  const { allowed } = definition;
  if (allowed !== undefined && !allowed.some((one) => isAllowed(one, value)))
    throw invalid(`The value of ${name} is not allowed. Allowed: ${allowed.join(', ')}.`);
}

/** Such a connector keeps every value. */
export function hasNoSchema(resources: Resources): boolean {
  for (const _ in resources) return false;
  return true;
}

/** A record has properties that nobody put there, such as `constructor`. An alias is text that a device chose. */
function definitionOf(resources: Resources, alias: string): ResourceDefinition | undefined {
  if (!Object.hasOwn(resources, alias)) return undefined;
  const byAlias: Readonly<Record<string, ResourceDefinition>> = resources;
  return byAlias[alias];
}

function hasFormat(format: ResourceDefinition['format'], value: string): boolean {
  switch (format) {
    case 'string':
      return true;
    case 'number':
      return isNumber(value);
    case 'boolean':
      return ['true', 'false', '1', '0'].includes(value);
    default:
      return format satisfies never;
  }
}

function isNumber(text: string): boolean {
  return /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) && Number.isFinite(Number(text));
}

/** One value, or for numbers a range such as `9-11` or `-5--1`. */
function isAllowed(allowed: string, value: string): boolean {
  if (allowed === value) return true;
  const [, least, most] = /^(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)$/.exec(allowed) ?? [];
  if (least === undefined || most === undefined || !isNumber(value)) return false;
  return Number(value) >= Number(least) && Number(value) <= Number(most);
}

function invalid(detail: string): Problem {
  return new Problem('invalid-request', detail);
}
