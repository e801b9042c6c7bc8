import java.io.FileInputStream;
import java.io.InputStream;
import java.security.cert.CRL;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Says what Java's PKIX validator, with revocation, thinks of certificates. Arguments in threes: the
 * file of the trust anchor, of the certificate (its first is looked at), of the CRL; a line each.
 */
final class PkixCheck {
  public static void main(String[] args) throws Exception {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    for (int at = 0; at < args.length; at += 3) {
      X509Certificate anchor = first(factory, args[at]);
      X509Certificate leaf = first(factory, args[at + 1]);
      List<CRL> crls;
      try (InputStream in = new FileInputStream(args[at + 2])) {
        crls = new ArrayList<>(factory.generateCRLs(in));
      }
      PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(anchor, null)));
      parameters.setRevocationEnabled(true);
      CollectionCertStoreParameters store = new CollectionCertStoreParameters(crls);
      parameters.addCertStore(CertStore.getInstance("Collection", store));
      try {
        CertPathValidator.getInstance("PKIX")
            .validate(factory.generateCertPath(List.of(leaf)), parameters);
        System.out.println("valid");
      } catch (CertPathValidatorException refused) {
        System.out.println(refused.getReason());
      }
    }
  }

  private static X509Certificate first(CertificateFactory factory, String path) throws Exception {
    try (InputStream in = new FileInputStream(path)) {
      Certificate certificate = factory.generateCertificate(in);
      return (X509Certificate) certificate;
    }
  }
}
