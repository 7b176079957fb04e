import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Kafka's admin client: consumer groups, live and empty. */
final class GroupAdminScenarios {
    private static final Admin ADMIN = Clients.ADMIN;
    private static final TopicPartition PARTITION = new TopicPartition("commit", 0);

    private GroupAdminScenarios() {}

    static String listGroups() throws Exception {
        Set<String> names = names(new ListGroupsOptions());
        Report.check(names.containsAll(Set.of("committing", "group-of-rebalance")), "names: " + names);
        Member member = new Member("live", "commit", Map.of());
        Member.untilShared(1, member);
        Set<String> stable = names(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE)));
        member.leave();
        Report.check(stable.contains("live") && !stable.contains("committing"), "stable groups: " + stable);
        Report.check(names(ListGroupsOptions.forConsumerGroups()).contains("committing"), "consumer groups");
        return "all, by state, by type";
    }

    private static Set<String> names(ListGroupsOptions options) throws Exception {
        return ADMIN.listGroups(options).all().get().stream().map(GroupListing::groupId).collect(Collectors.toSet());
    }

    static String describeGroup() throws Exception {
        Member member = new Member("described", "rebalance", Map.of("client.id", "described-client"));
        Member.untilShared(4, member);
        ConsumerGroupDescription group = ADMIN.describeConsumerGroups(List.of("described")).all().get().get("described");
        Report.equal(group.groupState(), GroupState.STABLE, "state");
        Report.equal(group.partitionAssignor(), "range", "assignor");
        Report.equal(group.members().size(), 1, "members");
        MemberDescription only = group.members().iterator().next();
        Report.equal(only.clientId() + " " + only.host(), "described-client /127.0.0.1", "client and host");
        Report.equal(only.assignment().topicPartitions().size(), 4, "assigned partitions");
        AdminScenarios.refused(ADMIN.deleteConsumerGroups(List.of("described")).all(), GroupNotEmptyException.class);
        member.leave();
        Report.until("the group is empty", () ->
            ADMIN.describeConsumerGroups(List.of("described")).all().get().get("described").groupState() == GroupState.EMPTY);
        AdminScenarios.refused(ADMIN.describeConsumerGroups(List.of("no-such")).all(), GroupIdNotFoundException.class);
        return "a live group: state, members, assignment; empty afterwards";
    }

    static String describeClassicGroup() throws Exception {
        String state = "" + ADMIN.describeClassicGroups(List.of("committing")).all().get().get("committing").state();
        Report.equal(state, "Empty", "state");
        return "state";
    }

    static String groupOffsets() throws Exception {
        Report.equal(offset("committing"), 40L, "committed");
        List<String> several = List.of("committing", "group-of-rebalance");
        Map<String, ListConsumerGroupOffsetsSpec> specs =
            several.stream().collect(Collectors.toMap(group -> group, group -> new ListConsumerGroupOffsetsSpec()));
        Map<String, Map<TopicPartition, OffsetAndMetadata>> all = ADMIN.listConsumerGroupOffsets(specs).all().get();
        Report.equal(all.get("committing").get(PARTITION).metadata(), "forty", "metadata");
        Report.equal(all.get("group-of-rebalance").size(), 4, "partitions of the other group");
        long together = all.get("group-of-rebalance").values().stream().mapToLong(OffsetAndMetadata::offset).sum();
        Report.equal(together, 300L, "offsets of the other group together");
        return "of one group, of several at once";
    }

    private static Long offset(String group) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> offsets =
            ADMIN.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        return offsets.get(PARTITION) == null ? null : offsets.get(PARTITION).offset();
    }

    static String alterGroupOffsets() throws Exception {
        ADMIN.alterConsumerGroupOffsets("altering", Map.of(PARTITION, new OffsetAndMetadata(12))).all().get();
        Report.equal(offset("altering"), 12L, "altered");
        Member member = new Member("altering", "commit", Map.of());
        Member.untilRead(88, member);
        AdminScenarios.refused(ADMIN.alterConsumerGroupOffsets("altering", Map.of(PARTITION, new OffsetAndMetadata(1))).all(),
            UnknownMemberIdException.class);
        AdminScenarios.refused(ADMIN.deleteConsumerGroupOffsets("altering", Set.of(PARTITION)).all(),
            GroupSubscribedToTopicException.class);
        member.leave();
        Report.equal(Member.numbers(member), Clients.range(12, 100), "read from there");
        return "set to 12, refused while the group lives";
    }

    static String deleteGroupOffsets() throws Exception {
        ADMIN.alterConsumerGroupOffsets("forgetting", Map.of(PARTITION, new OffsetAndMetadata(12))).all().get();
        ADMIN.deleteConsumerGroupOffsets("forgetting", Set.of(PARTITION)).all().get();
        Report.equal(offset("forgetting"), null, "offset afterwards");
        return "none left";
    }

    static String removeMembers() throws Exception {
        Member member = new Member("removing", "commit", Map.of("group.instance.id", "one"));
        Member.untilRead(100, member);
        member.leave();
        Report.equal(members("removing"), 1, "a static member stays in its group when it stops");
        MemberToRemove one = new MemberToRemove("one");
        ADMIN.removeMembersFromConsumerGroup("removing", new RemoveMembersFromConsumerGroupOptions(Set.of(one))).all().get();
        Report.equal(members("removing"), 0, "after it was removed");
        return "a static member, by its instance id";
    }

    private static int members(String group) throws Exception {
        return ADMIN.describeConsumerGroups(List.of(group)).all().get().get(group).members().size();
    }

    static String deleteGroup() throws Exception {
        ADMIN.alterConsumerGroupOffsets("short-lived", Map.of(PARTITION, new OffsetAndMetadata(1))).all().get();
        ADMIN.deleteConsumerGroups(List.of("short-lived")).all().get();
        Report.check(!names(new ListGroupsOptions()).contains("short-lived"), "gone from the list");
        AdminScenarios.refused(ADMIN.deleteConsumerGroups(List.of("no-such")).all(), GroupIdNotFoundException.class);
        return "gone from the list";
    }
}
