import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HexFormat;
import javax.security.auth.x500.X500Principal;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

/**
 * Says what Java and Kafka make of names. Lines of its file: "name HEX", the DER of a Name, answered
 * by its RFC 2253 form; "map RULES NAME", answered by the name that Kafka's mapper gives. Texts are
 * Base64 of UTF-8; "!" stands for an exception, "-" for no rule that applies.
 */
final class NameOracle {
  public static void main(String[] args) throws Exception {
    StringBuilder out = new StringBuilder();
    for (String line : Files.readAllLines(Path.of(args[0]))) {
      out.append(answer(line.split(" ", -1))).append('\n');
    }
    System.out.print(out);
  }

  private static String answer(String[] words) {
    try {
      if (words[0].equals("name")) {
        return encoded(new X500Principal(HexFormat.of().parseHex(words[1])).getName());
      }
      return encoded(SslPrincipalMapper.fromRules(decoded(words[1])).getName(decoded(words[2])));
    } catch (SslPrincipalMapper.NoMatchingRule refused) {
      return "-";
    } catch (Exception | StackOverflowError broken) {
      return "!";
    }
  }

  private static String decoded(String text) {
    return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
  }

  private static String encoded(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }
}
