import { Body, Controller } from '@nestjs/common';
import {
  type EntranceDescription,
  type EntranceEnrolResponse,
  type EntranceReloadResponse,
  entranceEnrolRequest,
  entranceReloadRequest,
  entranceRoutes,
  expectedProbes,
} from '@sallyport/protocol';
import { Serves } from '@sallyport/runtime';
import { Entrances } from './entrances.js';

/** Admin API of the entrances: what is open, at which level; enrolment and reload. */
@Controller()
export class EntranceController {
  constructor(private readonly entrances: Entrances) {}

  @Serves(entranceRoutes.list)
  list(): { entrances: EntranceDescription[] } {
    return { entrances: this.entrances.describe() };
  }

  @Serves(entranceRoutes.enrol)
  enrol(@Body() body: unknown): Promise<EntranceEnrolResponse> {
    return this.entrances.enrol(entranceEnrolRequest.parse(body));
  }

  @Serves(entranceRoutes.reload)
  async reload(@Body() body: unknown): Promise<EntranceReloadResponse> {
    const entrances = await this.entrances.reload(entranceReloadRequest.parse(body ?? {}));
    const { outdatedSettings } = this.entrances;
    return { entrances, ...(outdatedSettings.length > 0 ? { restartNeededFor: outdatedSettings } : {}) };
  }

  @Serves(entranceRoutes.expectProbes)
  expectProbes(@Body() body: unknown): void {
    this.entrances.expectProbes(expectedProbes.parse(body).count);
  }
}
