import { Body, Controller, Param, Query } from '@nestjs/common';
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
  forget(@Param() path: unknown): Promise<void> {
    return this.twin.forget(devicePath.parse(path).id);
  }

  private async lastConnectorOf(device: DeviceId): Promise<ConnectorName> {
    const [last] = await this.twin.writes(device, { limit: 1 });
    return last?.source.connector ?? defaultConnector;
  }
}

function timed({ value, atMicros }: Point): TimedValue {
  return { value, at: isoMicros(atMicros) };
}
