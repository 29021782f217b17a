-- Planning asks of each demand whether allocation is still to look at it; a first import queues one request for each.
CREATE INDEX allocation_requests_demand ON allocation_requests (demand_id) WHERE demand_id IS NOT NULL;
