import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.ClusterResource;
import org.apache.kafka.common.Endpoint;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.internals.PluginMetricsImpl;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.security.auth.SecurityProtocol;
import org.apache.kafka.metadata.authorizer.StandardAcl;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.Action;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;
import org.apache.kafka.server.authorizer.AuthorizerServerInfo;

/**
 * Apache Kafka's own authorizer, asked line by line; fields are separated by tabs.
 *
 * <pre>
 * clear                                                       forget all rules
 * acl  type name pattern principal host operation permission  a rule
 * ask  principal address operation type name                  -> 1 (allowed) or 0
 * any  principal address operation type                       -> the same, on any resource
 * </pre>
 */
public final class AuthorizeLines {
    private static final Map<String, InetAddress> ADDRESSES = new ConcurrentHashMap<>();

    private AuthorizeLines() {}

    public static void main(String[] args) throws Exception {
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        StringBuilder answers = new StringBuilder();
        StandardAuthorizer authorizer = started();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] field = line.split("\t", -1);
            switch (field[0]) {
                case "clear" -> authorizer = started();
                case "acl" -> authorizer.addAcl(Uuid.randomUuid(), aclOf(field));
                case "ask" -> answers.append(ask(authorizer, field)).append('\n');
                case "any" -> answers.append(any(authorizer, field)).append('\n');
                default -> throw new IllegalArgumentException(line);
            }
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        out.print(answers);
        out.flush();
    }

    private static StandardAuthorizer started() {
        StandardAuthorizer authorizer = new StandardAuthorizer();
        authorizer.configure(Map.of());
        authorizer.withPluginMetrics(new PluginMetricsImpl(new Metrics(), Map.of()));
        authorizer.start(new ServerInfo());
        authorizer.completeInitialLoad();
        return authorizer;
    }

    private static StandardAcl aclOf(String[] field) {
        return new StandardAcl(
                ResourceType.valueOf(field[1]),
                field[2],
                PatternType.valueOf(field[3]),
                field[4],
                field[5],
                AclOperation.valueOf(field[6]),
                AclPermissionType.valueOf(field[7]));
    }

    private static int ask(StandardAuthorizer authorizer, String[] field) throws Exception {
        ResourcePattern resource =
                new ResourcePattern(ResourceType.valueOf(field[4]), field[5], PatternType.LITERAL);
        Action action = new Action(AclOperation.valueOf(field[3]), resource, 1, true, true);
        AuthorizationResult result =
                authorizer.authorize(new Context(field[1], field[2]), List.of(action)).get(0);
        return result == AuthorizationResult.ALLOWED ? 1 : 0;
    }

    private static int any(StandardAuthorizer authorizer, String[] field) throws Exception {
        AuthorizationResult result =
                authorizer.authorizeByResourceType(
                        new Context(field[1], field[2]),
                        AclOperation.valueOf(field[3]),
                        ResourceType.valueOf(field[4]));
        return result == AuthorizationResult.ALLOWED ? 1 : 0;
    }

    private static InetAddress addressOf(String text) throws Exception {
        InetAddress known = ADDRESSES.get(text);
        if (known == null) {
            known = InetAddress.getByName(text);
            ADDRESSES.put(text, known);
        }
        return known;
    }

    private record Context(KafkaPrincipal principal, InetAddress clientAddress)
            implements AuthorizableRequestContext {
        Context(String principal, String address) throws Exception {
            this(
                    new KafkaPrincipal("User", principal.substring("User:".length())),
                    addressOf(address));
        }

        @Override
        public String listenerName() {
            return "SSL";
        }

        @Override
        public SecurityProtocol securityProtocol() {
            return SecurityProtocol.SSL;
        }

        @Override
        public int requestType() {
            return 0;
        }

        @Override
        public int requestVersion() {
            return 0;
        }

        @Override
        public String clientId() {
            return "test";
        }

        @Override
        public int correlationId() {
            return 0;
        }
    }

    private static final class ServerInfo implements AuthorizerServerInfo {
        private final Endpoint endpoint = new Endpoint("SSL", SecurityProtocol.SSL, "localhost", 1);

        @Override
        public ClusterResource clusterResource() {
            return new ClusterResource("test");
        }

        @Override
        public int brokerId() {
            return 0;
        }

        @Override
        public List<Endpoint> endpoints() {
            return List.of(endpoint);
        }

        @Override
        public Endpoint interBrokerEndpoint() {
            return endpoint;
        }

        @Override
        public List<String> earlyStartListeners() {
            return List.of();
        }
    }
}
