import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/**
 * Gives a fresh Apache Kafka the rules of Breakwater's development policy for one tenant, as ACLs,
 * and the topic `telemetry` (6 partitions).
 *
 * Usage: PeerSetUp admin.properties
 */
final class PeerSetUp {
    private PeerSetUp() {}

    public static void main(String[] args) throws Exception {
        Properties properties = RecordFile.properties(args[0]);
        List<AclBinding> bindings = new ArrayList<>();
        for (String device : List.of("device-1", "device-2")) {
            bindings.add(
                    topic("User:" + device, "telemetry", PatternType.LITERAL, AclOperation.WRITE));
            bindings.add(
                    topic("User:" + device, device + ".", PatternType.PREFIXED, AclOperation.WRITE));
            bindings.add(
                    topic(
                            "User:" + device,
                            "commands." + device,
                            PatternType.LITERAL,
                            AclOperation.READ));
        }
        String service = "User:service-1";
        bindings.add(topic(service, "*", PatternType.LITERAL, AclOperation.READ));
        bindings.add(topic(service, "*", PatternType.LITERAL, AclOperation.WRITE));
        bindings.add(
                binding(
                        service,
                        new ResourcePattern(ResourceType.GROUP, "svc-", PatternType.PREFIXED),
                        AclOperation.READ));
        try (Admin admin = Admin.create(properties)) {
            admin.createAcls(bindings).all().get();
            NewTopic telemetry = new NewTopic("telemetry", Optional.of(6), Optional.empty());
            admin.createTopics(List.of(telemetry)).all().get();
        }
    }

    private static AclBinding topic(
            String principal, String name, PatternType type, AclOperation operation) {
        return binding(principal, new ResourcePattern(ResourceType.TOPIC, name, type), operation);
    }

    private static AclBinding binding(
            String principal, ResourcePattern pattern, AclOperation operation) {
        return new AclBinding(
                pattern,
                new AccessControlEntry(principal, "*", operation, AclPermissionType.ALLOW));
    }
}
