//! Record batches (v2) and legacy message sets (v0, v1): the bytes inside Produce and Fetch.
