import { Controller, Delete, Get, HttpCode, Post } from '@nestjs/common';
import { SecondProcess } from './second-process';
import { type Count, StocktakingJob, thisProcess } from './stocktaking.job';

export interface Stocktaking {
  /** Who has answered this. */
  readonly here: string;
  readonly second: string | undefined;
  /** Who is counting at this moment. */
  readonly holder: string | undefined;
  readonly latest: readonly Count[];
}

@Controller('api/stocktaking')
export class StocktakingController {
  constructor(
    private readonly job: StocktakingJob,
    private readonly second: SecondProcess,
  ) {}

  @Get()
  async show(): Promise<Stocktaking> {
    const [holder, latest] = await Promise.all([this.job.holder(), this.job.latest()]);
    return { here: thisProcess, second: this.second.name, holder: holder?.description, latest };
  }

  /** A 409 while somebody counts. */
  @Post()
  @HttpCode(200)
  count(): Promise<Count | undefined> {
    return this.job.byHand();
  }

  @Post('second')
  @HttpCode(204)
  startSecond(): void {
    this.second.start();
  }

  @Delete('second')
  @HttpCode(204)
  stopSecond(): Promise<void> {
    return this.second.stop();
  }
}
