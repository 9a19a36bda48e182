import { Body, Controller, Param, Query } from '@nestjs/common';
import { type AuditEntry, AuditLog } from '@sallyport/audit';
import { Actor } from '@sallyport/entrance';
import {
  type ConnectorName,
  type DeviceId,
  type DeviceValueList,
  defaultConnector,
  desiredValues,
  deviceId,
  historyQuery,
  isoMicros,
  microsOf,
  resourceAlias,
  type TimedValue,
  type ValueHistory,
  type ValuesSet,
  valueRoutes,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { isUnsynced, type Point, Twin } from '@sallyport/twin';
import { z } from 'zod';
import { DeviceValues } from './device-values.js';
import { ResourceSchemas } from './resource-schemas.js';

const devicePath = z.object({ id: deviceId });

/** Admin API of the values of devices. */
@Controller()
export class ValuesController {
  constructor(
    private readonly twin: Twin,
    private readonly values: DeviceValues,
    private readonly schemas: ResourceSchemas,
    private readonly audit: AuditLog,
  ) {}

  @Serves(valueRoutes.showValues)
  async show(@Param() path: unknown): Promise<DeviceValueList> {
    const resources = await this.twin.resources(devicePath.parse(path).id);
    const values = [...resources].map(([alias, resource]) => ({
      alias: resourceAlias.parse(alias),
      ...(resource.reported === undefined ? {} : { reported: timed(resource.reported) }),
      ...(resource.desired === undefined ? {} : { desired: timed(resource.desired) }),
      synced: !isUnsynced(resource),
    }));
    return { values };
  }

  @Serves(valueRoutes.setValues)
  async set(@Param() path: unknown, @Body() body: unknown, @Actor() actor: string): Promise<ValuesSet> {
    const { id } = devicePath.parse(path);
    const { connector = await this.lastConnectorOf(id), values } = desiredValues.parse(body);
    const resources = await this.schemas.of(connector);
    const desired = { deviceId: id, connector, resources, values: new Map(Object.entries(values)), actor };
    this.values.checkDesired(desired);
    await this.record({ actor, action: 'values-set', subject: id, details: { connector, aliases: namesOf(values) } });
    return { at: isoMicros(await this.values.desire(desired)) };
  }

  @Serves(valueRoutes.readHistory)
  async history(@Param() path: unknown, @Query() query: unknown): Promise<ValueHistory> {
    const { alias, from, to, limit } = historyQuery.parse(query);
    const points = await this.twin.history(devicePath.parse(path).id, {
      ...(alias === undefined ? {} : { alias }),
      ...(from === undefined ? {} : { fromMicros: microsOf(from) }),
      ...(to === undefined ? {} : { toMicros: microsOf(to) }),
      limit,
    });
    return { points: points.map((point) => ({ alias: resourceAlias.parse(point.alias), ...timed(point) })) };
  }

  @Serves(valueRoutes.forgetValues)
  async forget(@Param() path: unknown, @Actor() actor: string): Promise<void> {
    const { id } = devicePath.parse(path);
    await this.record({ actor, action: 'values-removed', subject: id, details: {} });
    await this.twin.forget(id);
  }

  /** Before the change, so that there is no change without its row. */
  private async record(entry: Omit<AuditEntry, 'outcome'>): Promise<void> {
    await this.audit.commit({ operations: [], entries: [{ ...entry, outcome: 'succeeded' }] });
  }

  private async lastConnectorOf(device: DeviceId): Promise<ConnectorName> {
    const [last] = await this.twin.writes(device, { limit: 1 });
    return last?.source.connector ?? defaultConnector;
  }
}

/** Names, and never the values. */
function namesOf(values: Readonly<Record<string, string>>): string {
  return Object.keys(values).join(', ').slice(0, 1000);
}

function timed({ value, atMicros }: Point): TimedValue {
  return { value, at: isoMicros(atMicros) };
}
