import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { type EntranceDescription, type EntranceEnrolResponse, entranceEnrolRequest } from '@sallyport/protocol';
import { Entrances } from './entrances.js';

/** Admin API of the doors: what is open, at which level; enrolment and reload. */
@Controller('v1/entrance')
export class EntranceController {
  constructor(private readonly entrances: Entrances) {}

  @Get()
  list(): { entrances: EntranceDescription[] } {
    return { entrances: this.entrances.describe() };
  }

  @Post('enrol')
  @HttpCode(200)
  enrol(@Body() body: unknown): Promise<EntranceEnrolResponse> {
    return this.entrances.enrol(entranceEnrolRequest.parse(body));
  }

  @Post('reload')
  @HttpCode(200)
  async reload(): Promise<{ entrances: EntranceDescription[] }> {
    return { entrances: await this.entrances.reload() };
  }
}
