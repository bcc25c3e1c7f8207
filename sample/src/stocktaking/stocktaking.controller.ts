import { Controller, Get } from '@nestjs/common';
import { type Count, StocktakingJob } from './stocktaking.job';

@Controller('api/stocktaking')
export class StocktakingController {
  constructor(private readonly job: StocktakingJob) {}

  @Get()
  async show(): Promise<{ holder: string | undefined; latest: Count[] }> {
    const [holder, latest] = await Promise.all([this.job.holder(), this.job.latest()]);
    return { holder: holder?.description, latest };
  }
}
