-- How far the waiting demand of an item was looked through without one that could take what is free: the last demand that was
-- looked at. NULL: from the best rank on.
ALTER TABLE allocation_requests ADD COLUMN passed_demand bigint;
