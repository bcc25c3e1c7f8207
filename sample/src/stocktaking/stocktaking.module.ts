import { Module } from '@nestjs/common';
import { PersistPgModule } from 'nestjs-persistpg';
import { StocktakingController } from './stocktaking.controller';
import { SecondProcess } from './second-process';
import { StocktakingJob } from './stocktaking.job';

@Module({
  imports: [PersistPgModule.forFeature([{ namespace: 'stock' }, { namespace: 'stocktaking' }])],
  controllers: [StocktakingController],
  providers: [StocktakingJob, SecondProcess],
})
export class StocktakingModule {}
